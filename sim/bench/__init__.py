"""``a2q bench``: how fast RTL simulates, builds and is searched, beside what each is held to."""
