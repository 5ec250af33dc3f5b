"""What config.json and the files of each architecture family hold."""
