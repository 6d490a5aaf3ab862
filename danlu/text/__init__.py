"""Raw bytes to documents: readers, exact and near duplicates, the split."""
