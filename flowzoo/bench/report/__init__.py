"""Results to what people read: tables, text files and a page."""
