"""One evaluation as a self-contained page: its worst queries, maps and curves."""
