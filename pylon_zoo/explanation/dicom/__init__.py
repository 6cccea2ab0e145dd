"""What a model says of a DICOM image, as DICOM objects of the same patient and study (extra `[dicom-out]`).

source: the file that was explained → job: an explanation, ready to write → objects of all `KINDS` → writing: files
"""
