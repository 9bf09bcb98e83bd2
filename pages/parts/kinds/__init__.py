"""What pages know of each kind of modality, one file a kind: its input, its words, its drawings."""
