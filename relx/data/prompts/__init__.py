"""What a decoder is asked: prompts, their frames, and the words of labels."""
