"""What to do about each reason for quarantining a file: one sentence per reason.

The sentence is stored with every quarantined file (`quarantine.remedy`); docs/reference/quarantine.md describes the typical
causes. A test compares reasons, remedies and page. The sentences are part of data/: changing one changes data versions.
"""

from __future__ import annotations

from eccl.errors import Reason

_REMEDIES: dict[Reason, str] = {
    Reason.BAD_NAME: "Rename the file to <participant>_<field>_<instance>_<array>.<extension>, and ingest again.",
    Reason.UNREADABLE: "Check permissions and the disk or mount, copy the file again, and ingest again.",
    Reason.EMPTY_FILE: "Fetch the file again; if it is empty at the source, the visit has no such data.",
    Reason.READER_FAILED: "Report it with the detail: the reader met a case it does not know; nothing was kept.",
    Reason.READER_CRASHED: "Look at the file by hand: reading it ended the reading process; nothing else was harmed.",
    Reason.FILE_TOO_LARGE: "Look at the file by hand; if it is genuine, raise the limit for its kind in params.yaml.",
    Reason.TIME_LIMIT: "Look at the file by hand; if it is genuine, raise limits.seconds_per_file in params.yaml.",
    Reason.MEMORY_LIMIT: "Look at the file by hand; if it is genuine, raise limits.memory_mb in params.yaml.",
    Reason.XML_MALFORMED: "Fetch the file again: usually it is a truncated download; else report it to the provider.",
    Reason.ECG_MUSE_DIALECT: "Export the recording as CardioSoft XML (field 20205); MUSE XML is not read.",
    Reason.ECG_EXERCISE_TEST: "Leave it out: an exercise test (field 6025) is not a resting ECG.",
    Reason.ECG_UNKNOWN_DIALECT: "Check that this is a resting ECG of field 20205; other XML is not read.",
    Reason.ECG_NO_STRIP: "Export the recording with its 10 s strip (StripData); measurements alone are not enough.",
    Reason.ECG_LEADS_MISSING: "Export the recording with all twelve leads, or accept that the visit has no usable ECG.",
    Reason.ECG_LEADS_DUPLICATED: "Export the recording again; which of the equal-named leads is right cannot be told.",
    Reason.ECG_LEAD_LENGTH: "Fetch or export the file again: leads of one strip must all have 5000 samples.",
    Reason.ECG_SAMPLES_NOT_INTEGER: "Fetch or export the file again: samples must be whole numbers without gaps.",
    Reason.ECG_SAMPLES_OUT_OF_RANGE: "Check the resolution in the file: in microvolts the samples must fit 16 bits.",
    Reason.ECG_SAMPLE_RATE: "Export the recording at 500 Hz; resampling is left to whoever knows the device.",
    Reason.ECG_RESOLUTION: "Check the device's export settings: the microvolts per count are missing or impossible.",
    Reason.ECG_LEAD_IDENTITY: "Look for swapped or rescaled leads; the limit is ingest.max_lead_identity_error_uv.",
    Reason.ECG_NO_SIGNAL: "Nothing to mend: the electrodes recorded no signal; the visit has no usable ECG.",
    Reason.ZIP_MALFORMED: "Fetch the zip again: it is usually a truncated download.",
    Reason.ZIP_LIMITS: "Look at the zip by hand before trusting it; if it is genuine, raise the zip limits in params.yaml.",
    Reason.CINE_NO_DICOM: "Check that the zip is a study of field 20209; it holds no DICOM file.",
    Reason.CINE_NO_SHORT_AXIS: "Check that the zip is a study of field 20209; it holds no short-axis cine series.",
    Reason.CINE_ENHANCED_MULTIFRAME: "Convert the study to one DICOM file per frame, and ingest again.",
    Reason.CINE_HEADER_INCOMPLETE: "Ask the provider for the study with its geometry headers; they cannot be guessed.",
    Reason.CINE_MIXED_MATRIX: "Look at the study by hand: its short-axis images differ in size or spacing.",
    Reason.CINE_TOO_FEW_SLICES: "Nothing to mend unless slices were lost in transfer: fetch the zip again and compare.",
    Reason.CINE_TOO_FEW_FRAMES: "Nothing to mend unless frames were lost in transfer: fetch the zip again and compare.",
    Reason.CINE_MISSING_FRAMES: "Fetch the zip again; accept more repeated frames by ingest.max_missing_frames.",
    Reason.CINE_PIXELS_UNDECODABLE: "Fetch the zip again, or install the decoder of its transfer syntax.",
    Reason.CINE_GEOMETRY: "Look at the study by hand: its slices are not one parallel, regular stack.",
    Reason.CINE_CONSTANT: "Nothing to mend: the images hold no contrast or no motion; the visit has no usable cine.",
    Reason.TABLE_HEADER_UNKNOWN: "Export the table with ukbconv, the RAP table exporter or dx extract_dataset headers.",
    Reason.TABLE_ENCODING: "Save the table as UTF-8 or Latin-1 text, and ingest again.",
    Reason.TABLE_ROW_WIDTH: "Export the table again: the row and the header differ in length, often by a stray quote.",
    Reason.TABLE_EID: "Check the id column; negative ids mark withdrawn participants and are left out on purpose.",
    Reason.TABLE_DUPLICATE_KEY: "Keep one row per participant in the export, and ingest again.",
    Reason.TABLE_VALUE_TYPE: "Check the cell against the field's value type in the dictionary, and export again.",
    Reason.TABLE_LABELS_NOT_CODES: "Export raw codes instead of coding labels, and ingest again.",
    Reason.TABLE_CONFLICT: "Find out which export is newer and leave the other out: their values for one key differ.",
    Reason.TABLE_CODE_DATE_MISALIGNED: "Export the codes and their dates together, from one release, and ingest again.",
}


def remedy(reason: Reason) -> str:
    """Return one sentence: what to do about a quarantined file or row.

    Parameters
    ----------
    reason
        Why the file or row was quarantined.
    """
    return _REMEDIES[reason]
