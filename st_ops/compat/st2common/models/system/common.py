"""References of the form pack.name."""

__all__ = ["InvalidReferenceError", "InvalidResourceReferenceError", "ResourceReference"]


class InvalidReferenceError(ValueError):
    """Not of the form pack.name."""


class InvalidResourceReferenceError(InvalidReferenceError):
    """Not of the form pack.name."""

    def __init__(self, ref):
        super().__init__(f"Invalid resource reference: {ref}")
        self.ref = ref


class ResourceReference:
    """The two parts of ``pack.name``."""

    def __init__(self, pack=None, name=None):
        self.pack = self.validate_pack_name(pack)
        self.name = name

    @property
    def ref(self):
        """The two as one."""
        return self.to_string_reference(self.pack, self.name)

    @staticmethod
    def is_resource_reference(ref):
        """True for a text with a pack and a name."""
        return "." in ref

    @staticmethod
    def from_string_reference(ref):
        """``ref`` in its parts. Raises InvalidResourceReferenceError."""
        return ResourceReference(ResourceReference.get_pack(ref), ResourceReference.get_name(ref))

    @staticmethod
    def to_string_reference(pack=None, name=None):
        """``pack.name``. Raises ValueError when one is missing."""
        if not (pack and name):
            raise ValueError("Both pack and name need to be provided for building a reference.")
        return f"{pack}.{name}"

    @staticmethod
    def validate_pack_name(pack):
        """``pack``. Raises ValueError when it has a dot."""
        if pack and "." in pack:
            raise ValueError('Pack name should not contain "."')
        return pack

    @staticmethod
    def get_pack(ref):
        """The part before the first dot."""
        if not ref or "." not in ref:
            raise InvalidResourceReferenceError(ref)
        return ref.split(".", 1)[0]

    @staticmethod
    def get_name(ref):
        """The part after the first dot."""
        if not ref or "." not in ref:
            raise InvalidResourceReferenceError(ref)
        return ref.split(".", 1)[1]

    def __eq__(self, other):
        return isinstance(other, ResourceReference) and (self.pack, self.name) == (other.pack, other.name)

    def __hash__(self):
        return hash((self.pack, self.name))

    def __repr__(self):
        return f"<ResourceReference pack={self.pack},name={self.name}>"
