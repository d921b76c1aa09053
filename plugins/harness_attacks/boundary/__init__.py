"""Steps to the linearised decision boundary: DeepFool and FAB."""
