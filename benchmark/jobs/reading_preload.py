"""What the server imports once where processes read files of hospitals: a fifth of what jobs need, and all that reading
and checking a patient would otherwise import anew for each.
"""

import PIL.JpegImagePlugin
import scipy.ndimage
import scipy.stats
import survbench.datasets.cohorts.ingested
import survbench.datasets.dicom.identifying
import survbench.datasets.ingest.archives
import survbench.datasets.ingest.leaks
import survbench.datasets.ingest.patient_files

__all__ = ["PIL", "scipy", "survbench"]
