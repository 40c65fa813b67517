"""Experiments that find which factor diverges which file: the plan of builds, and what their results mean."""
