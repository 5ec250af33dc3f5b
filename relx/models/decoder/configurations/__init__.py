"""What a decoder's config.json says, by architecture."""
