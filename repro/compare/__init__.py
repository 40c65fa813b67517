"""Walking two artifacts side by side; the bridge to diffoscope."""
