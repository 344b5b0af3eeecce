"""What can go wrong through no fault of the program.

Everything a person can put right is a `PipelineError`: its text is one clear line that says where, what was wanted
and what was found. A stage prints it as ``error: ...`` and exits with 1; any other exception is a bug in Weldproof.
"""


class PipelineError(Exception):
    """A mistake that a person can put right; the text is written for that person."""


class ParameterError(PipelineError):
    """`params.yaml`, or a value in it, is not what a stage needs."""


class DataError(PipelineError):
    """A folder, a photograph or a table is missing, unreadable or too small."""


class UnreadableImageError(DataError):
    """One photograph cannot be decoded; the text is the reason alone, without the path."""


class ModelError(PipelineError):
    """A net, a weights file or a device is not there or does not fit."""


class MemoryShortageError(PipelineError):
    """What a recipe asks for does not fit into the memory that a device has free."""


class TrackingError(PipelineError):
    """The MLflow store cannot be reached or refuses."""
