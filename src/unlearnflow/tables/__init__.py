"""Tables: one file each, `tabulate(table, *, ...)`."""
