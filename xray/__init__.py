"""The X-ray: shows where each message is, what it looks like there, and why it waits.

The server only observes, and writes down facts; the page makes a picture of them.
"""
