"""Scripts that print figures. README.md beside says which."""
