"""Signs of the gradient: FGSM and I-FGSM."""
