"""The sealed log: receipts as the leaves of a Merkle tree, in C2SP tlog-tiles."""
