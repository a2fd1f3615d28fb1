"""Paper and documents: words laid out on sheets in millimetres. Knows no network."""
