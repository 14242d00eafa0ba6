"""Every error of this package, and every reason for quarantining a file.

A message contains what was found, what was expected and what to do next. It never contains a participant id: callers pass
counts, positions and field numbers instead of keys or file names.
"""

from __future__ import annotations

from enum import StrEnum


class EcclError(Exception):
    """Base of all errors this package raises on purpose."""


class ConfigError(EcclError, ValueError):
    """A parameter is unknown, missing or impossible; the message lists all problems."""


class WorkspaceError(EcclError, FileNotFoundError):
    """A file or folder that the command requires is not in the workspace."""


class LockedError(EcclError, BlockingIOError):
    """Another process is writing to the same data."""


class DiskFullError(EcclError, OSError):
    """The disk is full."""


class WorkerError(EcclError, RuntimeError):
    """A worker process was killed, or a process that reads raw files cannot be started."""


class SourceError(EcclError, OSError):
    """The place of the raw files cannot be reached; the same command may succeed later."""


class ReconcileError(EcclError, RuntimeError):
    """The number of expected files differs from written + skipped + quarantined."""


class SchemaError(EcclError, TypeError):
    """A table does not have the columns or types of its schema."""


class ChecksumError(EcclError, RuntimeError):
    """A committed slot does not read back to its recorded checksum."""


class GateError(EcclError, RuntimeError):
    """The validation gate failed, has not run, or ran on other data."""


class VersionError(EcclError, RuntimeError):
    """A data version cannot be recorded, pushed or restored."""


class FeatureError(EcclError, LookupError):
    """A feature view or run does not exist, or was computed on other data."""


class WithdrawalError(EcclError, RuntimeError):
    """A withdrawal was interrupted, its tombstones cannot be read, or data of a withdrawn participant was found."""


class SplitError(EcclError, PermissionError):
    """A training stage requested rows of the test split."""


class FlowError(EcclError, RuntimeError):
    """A step of a flow failed; the following steps were not started."""


class Reason(StrEnum):
    """Reason for quarantining a file or a row; docs/reference/quarantine.md describes each, and a test compares both."""

    # any file
    BAD_NAME = "bad_name"
    UNREADABLE = "unreadable"
    EMPTY_FILE = "empty_file"
    READER_FAILED = "reader_failed"
    READER_CRASHED = "reader_crashed"
    FILE_TOO_LARGE = "file_too_large"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    # ECG
    XML_MALFORMED = "xml_malformed"
    ECG_MUSE_DIALECT = "ecg_muse_dialect"
    ECG_EXERCISE_TEST = "ecg_exercise_test"
    ECG_UNKNOWN_DIALECT = "ecg_unknown_dialect"
    ECG_NO_STRIP = "ecg_no_strip"
    ECG_LEADS_MISSING = "ecg_leads_missing"
    ECG_LEADS_DUPLICATED = "ecg_leads_duplicated"
    ECG_LEAD_LENGTH = "ecg_lead_length"
    ECG_SAMPLES_NOT_INTEGER = "ecg_samples_not_integer"
    ECG_SAMPLES_OUT_OF_RANGE = "ecg_samples_out_of_range"
    ECG_SAMPLE_RATE = "ecg_sample_rate"
    ECG_RESOLUTION = "ecg_resolution"
    ECG_LEAD_IDENTITY = "ecg_lead_identity"
    ECG_NO_SIGNAL = "ecg_no_signal"
    # cine
    ZIP_MALFORMED = "zip_malformed"
    ZIP_LIMITS = "zip_limits"
    CINE_NO_DICOM = "cine_no_dicom"
    CINE_NO_SHORT_AXIS = "cine_no_short_axis"
    CINE_ENHANCED_MULTIFRAME = "cine_enhanced_multiframe"
    CINE_HEADER_INCOMPLETE = "cine_header_incomplete"
    CINE_MIXED_MATRIX = "cine_mixed_matrix"
    CINE_TOO_FEW_SLICES = "cine_too_few_slices"
    CINE_TOO_FEW_FRAMES = "cine_too_few_frames"
    CINE_MISSING_FRAMES = "cine_missing_frames"
    CINE_PIXELS_UNDECODABLE = "cine_pixels_undecodable"
    CINE_GEOMETRY = "cine_geometry"
    CINE_CONSTANT = "cine_constant"
    # tables
    TABLE_HEADER_UNKNOWN = "table_header_unknown"
    TABLE_ENCODING = "table_encoding"
    TABLE_ROW_WIDTH = "table_row_width"
    TABLE_EID = "table_eid"
    TABLE_DUPLICATE_KEY = "table_duplicate_key"
    TABLE_VALUE_TYPE = "table_value_type"
    TABLE_LABELS_NOT_CODES = "table_labels_not_codes"
    TABLE_CONFLICT = "table_conflict"
    TABLE_CODE_DATE_MISALIGNED = "table_code_date_misaligned"


class Rejected(EcclError, ValueError):
    """A raw file or a table row that cannot be ingested.

    Parameters
    ----------
    reason
        One of :class:`Reason`.
    detail
        What was found and what was expected, without a participant id.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Rejected], tuple[Reason, str]]:
        # Exceptions are pickled by their args; this one has two.
        return (type(self), (self.reason, self.detail))
