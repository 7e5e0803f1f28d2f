"""Stand-ins for what actions and sensors are given."""
