"""What every task's page of data shows: files, labels, words, lengths, whatever a row asks."""
