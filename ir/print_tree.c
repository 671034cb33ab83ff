// Prints the modules of a loaded model as `print(module)` does (torchscript.md §5.8).
// The children of a module are its attributes of module type, in the order of the class.
#include "ir/print.h"

static const Datum *child_module(const Datum *module, const ClassAttr *attr)
{
    bool is_module = attr->type->cls && (attr->type->cls->kind == CLASS_MODULE || attr->type->cls->kind == CLASS_MODULE_INTERFACE);
    const Datum *d = is_module ? datum_attr(module, attr->name) : NULL;
    return d && d->kind == DATUM_OBJECT ? d : NULL;
}

static Str last_atom(Str name) { return str_from(name, (size_t)(str_rfind(name, '.') + 1)); }

// The text of one module without indentation of its first line and without a final newline.
static void print_module(Buf *out, const Datum *module, size_t indent)
{
    const ClassDef *c = module->cls;
    bool any = false;
    buf_z(out, "RecursiveScriptModule(");
    for (uint32_t i = 0; c && i < c->attr_count && !any; i++)
        any = child_module(module, &c->attrs[i]);
    if (any) {
        buf_char(out, '\n');
        buf_fill(out, ' ', indent + 2);
    }
    buf_z(out, "original_name=");
    buf_str(out, last_atom(module->name));
    for (uint32_t i = 0; any && i < c->attr_count; i++) {
        const Datum *child = child_module(module, &c->attrs[i]);
        if (!child)
            continue;
        buf_char(out, '\n');
        buf_fill(out, ' ', indent + 2);
        buf_char(out, '(');
        buf_str(out, c->attrs[i].name);
        buf_z(out, "): ");
        print_module(out, child, indent + 2);
    }
    if (any) {
        buf_char(out, '\n');
        buf_fill(out, ' ', indent);
    }
    buf_char(out, ')');
}

void module_print_tree(Buf *out, const Datum *module)
{
    print_module(out, module, 0);
    buf_char(out, '\n');
}
