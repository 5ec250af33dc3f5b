"""The report of a run or an answer file: its page, figures and plots."""
