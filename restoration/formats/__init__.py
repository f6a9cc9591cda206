"""Files of pictures, whatever their format: opening, what lies beside the pixels, writing."""
