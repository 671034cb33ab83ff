"""Writes TorchScript archives by hand: source text as it is given, values pickled the way PyTorch pickles them.

So a test can contain forms of the language that PyTorch accepts but never prints, and archives of any version.

    save(path, Obj("__torch__.M", training=True, n=3, xs=Typed("List[str]", ["a"])), {"__torch__": text}, version=10)
"""
import struct
import zipfile


class Obj:
    """An object of a class of the source; the fields are its attributes. state: for classes with __setstate__."""

    def __init__(self, name, /, state=None, **fields):
        self.name, self.fields, self.state = name, fields, state


class Typed:
    """A list or dictionary whose type its items do not tell: Typed("Dict[str, int]", {})."""

    def __init__(self, annotation, value):
        self.annotation, self.value = annotation, value


class Enum:
    def __init__(self, name, value):
        self.name, self.value = name, value


class Device:
    def __init__(self, text):
        self.text = text


STORAGE = {"uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long", "float16": "Half",
           "float32": "Float", "float64": "Double", "bool": "Bool", "bfloat16": "BFloat16", "complex64": "ComplexFloat",
           "complex128": "ComplexDouble"}


def annotation(value):
    """The type of a value as PyTorch writes it into a type tag."""
    if isinstance(value, Typed):
        return value.annotation
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, complex):
        return "complex"
    if isinstance(value, str):
        return "str"
    if value is None:
        return "NoneType"
    if isinstance(value, tuple):
        return "Tuple[" + ", ".join(annotation(v) for v in value) + "]" if value else "Tuple[()]"
    if isinstance(value, list):
        return f"List[{annotation(value[0])}]"
    if isinstance(value, dict):
        key, item = next(iter(value.items()))
        return f"Dict[{annotation(key)}, {annotation(item)}]"
    if isinstance(value, (Obj, Enum)):
        return value.name
    return "Tensor"


class Pickler:
    """tags=False writes lists and dictionaries as archives of version 1 and 2 have them."""

    def __init__(self, storages, folder, tags=True):
        self.out, self.storages, self.folder, self.tags, self.memo = bytearray(), storages, folder, tags, {}

    def dump(self, value):
        self.out += b"\x80\x02"
        self.put(value)
        self.out += b"."
        return bytes(self.out)

    def glob(self, module, name):
        self.out += f"c{module}\n{name}\n".encode()

    def integer(self, v):
        if 0 <= v < 256:
            self.out += b"K" + bytes([v])
        elif 0 <= v < 65536:
            self.out += b"M" + struct.pack("<H", v)
        elif -2**31 <= v < 2**31:
            self.out += b"J" + struct.pack("<i", v)
        else:
            self.out += b"\x8a\x08" + struct.pack("<q", v)

    def string(self, s):
        b = s.encode() if isinstance(s, str) else s
        self.out += b"X" + struct.pack("<I", len(b)) + b

    def many(self, values):
        self.out += b"("
        for v in values:
            self.put(v)
        self.out += b"t"

    def items(self, value):
        if isinstance(value, dict):
            self.out += b"}("
            for k, v in value.items():
                self.put(k)
                self.put(v)
            self.out += b"u"
        else:
            self.out += b"]("
            for v in value:
                self.put(v)
            self.out += b"e"

    def container(self, value, text):
        inner = text[text.index("[") + 1:-1] if isinstance(value, list) else text[text.index(", ") + 2:-1]
        if inner.startswith(("List", "Dict")):
            wrap = lambda v: Typed(inner, v) if isinstance(v, (list, dict)) else v
            value = [wrap(v) for v in value] if isinstance(value, list) else {k: wrap(v) for k, v in value.items()}
        special = {"List[int]": "build_intlist", "List[float]": "build_doublelist", "List[bool]": "build_boollist",
                   "List[Tensor]": "build_tensorlist"}.get(text)
        if not self.tags:
            self.items(value)
        elif special:
            self.glob("torch.jit._pickle", special)
            self.out += b"("
            self.items(value)
            self.out += b"tR"
        else:
            self.glob("torch.jit._pickle", "restore_type_tag")
            self.out += b"("
            self.items(value)
            self.string(text)
            self.out += b"tR"

    def tensor(self, t):
        dtype = str(t.dtype).split(".")[1]
        storage = t.storage()
        key = next((k for k, s in self.storages.items() if s[0] == storage.data_ptr() and storage.size()), None)
        if key is None:
            key = str(len(self.storages))
            self.storages[key] = (storage.data_ptr(), bytes(storage.untyped() if hasattr(storage, "untyped") else storage._untyped()), t)
        self.glob("torch._utils", "_rebuild_tensor_v2")
        self.out += b"("
        if not self.shared(self.storages[key]):  # one storage however many tensors
            self.out += b"("
            self.string("storage")
            self.glob("torch", STORAGE[dtype] + "Storage")
            self.string(key)
            self.string("cpu")
            self.integer(storage.size())
            self.out += b"tQ"
            self.remember(self.storages[key])
        self.integer(t.storage_offset())
        self.many(tuple(t.shape))
        self.many(tuple(t.stride()))
        self.out += b"\x88" if t.requires_grad else b"\x89"
        self.glob("collections", "OrderedDict")
        self.out += b")RtR"

    def shared(self, value):
        """Objects and containers that occur twice are one."""
        if id(value) in self.memo:
            self.out += b"j" + struct.pack("<I", self.memo[id(value)][0])
            return True
        return False

    def remember(self, value):
        self.memo[id(value)] = (len(self.memo), value)
        self.out += b"r" + struct.pack("<I", len(self.memo) - 1)

    def put(self, value):
        if value is None:
            self.out += b"N"
        elif isinstance(value, bool):
            self.out += b"\x88" if value else b"\x89"
        elif isinstance(value, int):
            self.integer(value)
        elif isinstance(value, float):
            self.out += b"G" + struct.pack(">d", value)
        elif isinstance(value, complex):
            self.glob("builtins", "complex")
            self.many((value.real, value.imag))
            self.out += b"R"
        elif isinstance(value, (str, bytes)):
            self.string(value)
        elif isinstance(value, tuple):
            self.many(value)
        elif isinstance(value, Device):
            self.glob("torch", "device")
            self.many((value.text,))
            self.out += b"R"
        elif self.shared(value):
            pass
        else:
            if isinstance(value, Typed):
                self.container(value.value, value.annotation)
            elif isinstance(value, (list, dict)):
                self.container(value, annotation(value))
            elif isinstance(value, Enum):
                self.glob(*value.name.rsplit(".", 1))
                self.put(value.value)
                self.out += b"R"
            elif isinstance(value, Obj):
                self.glob(*value.name.rsplit(".", 1))
                self.out += b")\x81"
                self.put_state(value)
                self.out += b"b"
            else:
                self.tensor(value)
            self.remember(value)

    def put_state(self, obj):
        if obj.state is not None:
            self.put(obj.state)
        else:
            self.items(obj.fields)


def save(path, root, sources, constants=(), version=10, tags=None):
    """sources: {"__torch__": text, "__torch__.a.b": text}. Stored, without compression."""
    tags = version > 2 if tags is None else tags
    records = {}
    for name, value, folder in (("data.pkl", root, "data"), ("constants.pkl", tuple(constants), "constants")):
        storages = {}
        records[name] = Pickler(storages, folder, tags).dump(value)
        for key, (_, data, _) in storages.items():
            records[f"{folder}/{key}"] = data
    for prefix, text in sources.items():
        records["code/" + prefix.replace(".", "/") + ".py"] = text if isinstance(text, bytes) else text.encode()
    records[".data/version" if version >= 6 else "version"] = f"{version}\n".encode()
    with zipfile.ZipFile(path, "w") as z:
        for name, data in records.items():
            z.writestr(zipfile.ZipInfo("m/" + name), data)
