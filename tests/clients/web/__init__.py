"""The example frontend as its users see it: Chromium, the built app, Better Auth, the API."""
