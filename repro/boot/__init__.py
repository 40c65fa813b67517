"""Starting an image in a virtual machine and asking it questions."""
