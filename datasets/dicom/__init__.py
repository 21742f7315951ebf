"""Scanner data as hospitals hand it out: series, geometry, HU and SUV, contours and segmentations."""
