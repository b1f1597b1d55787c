"""What a release leaves for later ones: an entry in the changelog, and evidence that stays verifiable."""
