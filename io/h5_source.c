// An open HDF5 file: what it holds, its attributes and its texts.
// The list of data sets is made once, at opening, by visiting every object; links into other files are not followed.
#include "io/h5_internal.h"
#include "io/lzf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DATASETS_MAX = 10000, OBJECTS_MAX = 100000, NESTING_MAX = 64, TEXT_MAX = 1 << 30 };

// ---- describing ----

static herr_t refuse_external(const char *parent_file, const char *parent, const char *file, const char *object,
                              unsigned *flags, hid_t access, void *ctx)
{
    (void)parent_file, (void)parent, (void)file, (void)object, (void)flags, (void)access, (void)ctx;
    return -1;
}

// Properties for opening an object by path: links that lead to other files are errors.
static hid_t inside_only(hid_t class)
{
    hid_t access = H5Pcreate(class);
    H5Pset_elink_cb(access, refuse_external, NULL);
    return access;
}

hid_t h5_open_dataset(H5Source *s, const char *path)
{
    hid_t access = inside_only(H5P_DATASET_ACCESS);
    hid_t dataset = H5Dopen2(s->file, path, access);
    H5Pclose(access);
    return dataset;
}

// HDF5 has all filters of the data set. LZF it lacks, but chunks whose last filter it is are expanded here.
static bool has_filters(hid_t plist)
{
    int count = H5Pget_nfilters(plist);
    for (int i = 0; i < count; i++) {
        unsigned flags, values[8], config;
        size_t value_count = 8;
        H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned)i, &flags, &value_count, values, 0, NULL, &config);
        if (!(filter == LZF_FILTER && i == count - 1) && H5Zfilter_avail(filter) <= 0)
            return false;
    }
    return true;
}

static const char *check_layout(hid_t dataset)
{
    hid_t plist = H5Dget_create_plist(dataset);
    H5D_layout_t layout = H5Pget_layout(plist);
    int external = H5Pget_external_count(plist);
    bool readable = has_filters(plist);
    H5Pclose(plist);
    if (layout == H5D_VIRTUAL)
        return "a virtual data set (copy it into one file, for instance with h5repack or h5py)";
    if (external > 0)
        return "its values are in another file (copy them into one file with h5repack)";
    if (!readable)
        return "it is compressed by a filter that is not installed here (h5repack -f GZIP=4, where that filter is)";
    return NULL;
}

static void describe_dataset(hid_t dataset, H5Dataset *out)
{
    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    H5Element e = h5_element(type);
    hsize_t shape[H5S_MAX_RANK];
    out->ndim = H5Sget_simple_extent_type(space) == H5S_SIMPLE ? H5Sget_simple_extent_ndims(space) : 0;
    out->dtype = e.dtype;
    out->unusable = e.unusable ? e.unusable : check_layout(dataset);
    if (out->ndim > H5_MAX_DIMS) {
        out->unusable = "too many dimensions (limit 16)";
        out->ndim = 0;
    } else if (out->ndim <= 0) {
        out->ndim = 0;
        out->unusable = "it has no dimensions, where the first must count samples";
    } else if (H5Sget_simple_extent_dims(space, shape, NULL) >= 0) {
        int64_t bytes = (int64_t)dtype_size(e.dtype);
        for (int i = 0; i < out->ndim; i++) {
            out->shape[i] = (int64_t)shape[i];
            if (out->shape[i] < 0 || (shape[i] && __builtin_mul_overflow(bytes, out->shape[i], &bytes)))
                out->unusable = "too many elements";
        }
    }
    H5Sclose(space);
    H5Tclose(type);
}

static bool is_dataset(H5Source *s, const char *group, const char *name, H5Dataset *out)
{
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/%s", group, name);
    if (len < 0 || len >= (int)sizeof path || H5Lexists(s->file, path, H5P_DEFAULT) <= 0)
        return false;
    hid_t dataset = h5_open_dataset(s, path);
    if (dataset < 0)
        return false;
    *out = (H5Dataset){.dtype = DT_INVALID};
    describe_dataset(dataset, out);
    H5Dclose(dataset);
    return true;
}

// A group with values and offsets: rows of differing length.
static bool describe_ragged(H5Source *s, const char *group, H5Dataset *out)
{
    H5Dataset values, offsets, shapes;
    if (!is_dataset(s, group, "values", &values) || !is_dataset(s, group, "offsets", &offsets))
        return false;
    *out = (H5Dataset){.dtype = values.dtype, .ragged = true, .unusable = values.unusable};
    bool flat = is_dataset(s, group, "shapes", &shapes);
    if (offsets.unusable || offsets.ndim != 1 || !dtype_is_integral(offsets.dtype) || offsets.shape[0] < 1)
        out->unusable = "its offsets are not one or more integers";
    if (out->unusable)
        return true;
    out->shape[0] = offsets.shape[0] - 1;
    if (flat) {
        if (shapes.unusable || shapes.ndim != 2 || !dtype_is_integral(shapes.dtype) ||
            shapes.shape[0] != out->shape[0] || shapes.shape[1] + 1 > H5_MAX_DIMS || values.ndim != 1)
            out->unusable = "its shapes are not integers [samples, dimensions] over flat values";
        else
            out->ndim = (int)shapes.shape[1] + 1;
        for (int i = 1; i < out->ndim; i++)
            out->shape[i] = -1;
        return true;
    }
    out->ndim = values.ndim + 1;
    if (out->ndim > H5_MAX_DIMS) {
        out->unusable = "too many dimensions (limit 16)";
        out->ndim = 1;
        return true;
    }
    out->shape[1] = -1;
    for (int i = 1; i < values.ndim; i++)
        out->shape[i + 1] = values.shape[i];
    return true;
}

bool h5_probe(H5Source *s, const char *path, H5Dataset *out)
{
    hid_t access = inside_only(H5P_LINK_ACCESS);
    H5O_info_t info;
    bool found = H5Oget_info_by_name2(s->file, path, &info, H5O_INFO_BASIC, access) >= 0;
    H5Pclose(access);
    H5Eclear2(H5E_DEFAULT);
    if (!found)
        return false;
    *out = (H5Dataset){.path = str_of(path), .dtype = DT_INVALID};
    if (info.type == H5O_TYPE_GROUP) {
        bool ragged = describe_ragged(s, path, out);
        out->path = str_of(path);
        return ragged;
    }
    hid_t dataset = info.type == H5O_TYPE_DATASET ? h5_open_dataset(s, path) : -1;
    if (dataset < 0)
        return false;
    describe_dataset(dataset, out);
    H5Dclose(dataset);
    return true;
}

// ---- listing ----

typedef struct Visit {
    H5Source *s;
    const char *ragged; // the ragged group being inside of, or NULL
    int objects;
    Status status;
} Visit;

static int nesting(const char *path)
{
    int depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

static bool is_hidden(const char *name)
{
    return name[0] == '.' || strstr(name, "/.") != NULL;
}

static bool is_ragged_member(const Visit *v, const char *path)
{
    size_t len = v->ragged ? strlen(v->ragged) : 0;
    if (!len || strncmp(path, v->ragged, len) != 0 || path[len] != '/')
        return false;
    const char *rest = path + len + 1;
    return strcmp(rest, "values") == 0 || strcmp(rest, "offsets") == 0 || strcmp(rest, "shapes") == 0;
}

static herr_t visit(hid_t file, const char *name, const H5O_info_t *info, void *ctx)
{
    (void)file;
    Visit *v = ctx;
    H5Source *s = v->s;
    if (++v->objects > OBJECTS_MAX)
        return 1; // the rest can be bound by path all the same
    if (nesting(name) > NESTING_MAX) {
        v->status = status_fail(ST_BAD_DATA, "%s: too many groups inside one another (limit %d): the file is damaged",
                                s->path, NESTING_MAX);
        return 1;
    }
    if (strcmp(name, ".") == 0 || is_hidden(name) || (info->type != H5O_TYPE_DATASET && info->type != H5O_TYPE_GROUP))
        return 0;
    Str path = arena_printf(&s->arena, "/%s", name);
    H5Dataset d;
    if (!path.ptr || is_ragged_member(v, path.ptr) || !h5_probe(s, path.ptr, &d))
        return 0;
    if (s->count == DATASETS_MAX)
        return 1; // the rest can be bound by path all the same
    if (d.ragged)
        v->ragged = path.ptr;
    d.path = path;
    H5Dataset *datasets = arena_grow(&s->arena, s->datasets, s->count, sizeof d);
    if (!datasets) {
        v->status = ST_MEMORY;
        return 1;
    }
    s->datasets = datasets;
    s->datasets[s->count++] = d;
    return 0;
}

// ---- opening ----

// Says plainly what HDF5 would say at length.
static Status check_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return status_fail(ST_IO, "%s: %s", path, strerror(errno));
    struct stat info;
    char magic[2];
    Status st = ST_OK;
    if (fstat(fd, &info) != 0)
        st = status_fail(ST_IO, "%s: %s", path, strerror(errno));
    else if (S_ISDIR(info.st_mode))
        st = status_fail(ST_IO, "%s: a directory where an HDF5 file is expected", path);
    else if (info.st_size == 0)
        st = status_fail(ST_BAD_DATA, "%s: the file is empty: not an HDF5 file", path);
    else if (pread(fd, magic, 2, 0) == 2 && memcmp(magic, "PK", 2) == 0)
        st = status_fail(ST_BAD_DATA,
                         "%s: a zip file (a model?) where an HDF5 file is expected: tsbatch MODEL.pt DATA.h5", path);
    close(fd);
    return st;
}

static Status open_job(void *arg)
{
    H5Source *s = arg;
    hid_t access = h5_access(true);
    s->file = H5Fopen(s->path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (s->file < 0)
        return h5_fail(ST_BAD_DATA, "%s: not an HDF5 file, or one that is cut short or damaged", s->path);
    Visit v = {.s = s};
    if (H5Ovisit2(s->file, H5_INDEX_NAME, H5_ITER_INC, visit, &v, H5O_INFO_BASIC) < 0)
        return h5_fail(ST_BAD_DATA, "%s: cannot list the data sets: the file is damaged", s->path);
    H5Eclear2(H5E_DEFAULT);
    return v.status;
}

static Status close_job(void *arg)
{
    H5Source *s = arg;
    if (s->file >= 0)
        H5Fclose(s->file);
    return ST_OK;
}

void h5_source_close(H5Source *s)
{
    if (!s)
        return;
    h5_run(s->thread, close_job, s);
    arena_free(&s->arena);
    free(s->path);
    free(s);
}

Status h5_source_open(H5Thread *t, const char *path, H5Source **out)
{
    *out = NULL;
    TRY(check_file(path));
    H5Source *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(path))) {
        free(s);
        return status_no_memory(sizeof *s);
    }
    s->thread = t;
    s->file = -1;
    Status st = h5_run(t, open_job, s);
    if (st != ST_OK) {
        h5_source_close(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

const char *h5_source_path(const H5Source *s)
{
    return s->path;
}
size_t h5_source_count(const H5Source *s)
{
    return s->count;
}
const H5Dataset *h5_source_at(const H5Source *s, size_t i)
{
    return &s->datasets[i];
}

const H5Dataset *h5_source_find(const H5Source *s, Str path)
{
    if (path.len && path.ptr[0] == '/')
        path = str_from(path, 1);
    for (size_t i = 0; i < s->count; i++)
        if (str_eq(str_from(s->datasets[i].path, 1), path))
            return &s->datasets[i];
    return NULL;
}

void h5_source_describe(const H5Source *s, Buf *out)
{
    for (size_t i = 0; i < s->count; i++) {
        const H5Dataset *d = &s->datasets[i];
        buf_printf(out, "  " STR_FMT "  %s [", STR_ARG(d->path),
                   d->dtype == DT_INVALID ? "?" : dtype_python_name(d->dtype));
        for (int k = 0; k < d->ndim; k++)
            if (d->shape[k] < 0)
                buf_printf(out, "%s*", k ? ", " : "");
            else
                buf_printf(out, "%s%lld", k ? ", " : "", (long long)d->shape[k]);
        buf_printf(out, "]%s%s%s\n", d->ragged ? " ragged" : "", d->unusable ? "  cannot be used: " : "",
                   d->unusable ? d->unusable : "");
    }
    if (!s->count)
        buf_z(out, "  (no data sets)\n");
}

// ---- attributes ----

typedef struct AttrJob {
    H5Source *s;
    const char *object, *name;
    Buf *out;
} AttrJob;

static Status print_text_attr(hid_t attr, hid_t type, Buf *out)
{
    if (H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        if (H5Aread(attr, type, &text) < 0)
            return h5_fail(ST_BAD_DATA, "cannot be read");
        if (text)
            buf_z(out, text);
        H5free_memory(text);
        return ST_OK;
    }
    size_t size = H5Tget_size(type);
    char *text = calloc(1, size + 1);
    if (!text)
        return status_no_memory(size);
    Status st = ST_OK;
    if (H5Aread(attr, type, text) < 0)
        st = h5_fail(ST_BAD_DATA, "cannot be read");
    else
        buf_z(out, text);
    free(text);
    return st;
}

static Status print_attr(hid_t attr, Buf *out)
{
    hid_t type = H5Aget_type(attr), space = H5Aget_space(attr);
    bool scalar = H5Sget_simple_extent_npoints(space) == 1;
    H5Element e = h5_element(type);
    Status st = ST_OK;
    H5T_class_t class = H5Tget_class(type);
    if (!scalar)
        st = status_fail(ST_BAD_DATA, "is not one value");
    else if (class == H5T_STRING)
        st = print_text_attr(attr, type, out);
    else if (e.dtype == DT_BOOL) {
        signed char v = 0;
        if (H5Aread(attr, type, &v) < 0)
            st = h5_fail(ST_BAD_DATA, "cannot be read");
        else
            buf_z(out, v ? "true" : "false");
    } else if (class == H5T_INTEGER) {
        long long v = 0;
        if (H5Aread(attr, H5T_NATIVE_LLONG, &v) < 0)
            st = h5_fail(ST_BAD_DATA, "cannot be read");
        else
            buf_printf(out, "%lld", v);
    } else if (class == H5T_FLOAT) {
        double v = 0;
        if (H5Aread(attr, H5T_NATIVE_DOUBLE, &v) < 0)
            st = h5_fail(ST_BAD_DATA, "cannot be read");
        else
            buf_printf(out, "%.17g", v);
    } else {
        st = status_fail(ST_BAD_DATA, "is neither text nor number");
    }
    H5Tclose(type);
    H5Sclose(space);
    return st == ST_OK ? buf_status(out) : st;
}

static Status attr_job(void *arg)
{
    AttrJob *j = arg;
    hid_t attr = H5Aopen_by_name(j->s->file, j->object, j->name, H5P_DEFAULT, H5P_DEFAULT);
    H5Eclear2(H5E_DEFAULT);
    if (attr < 0)
        return status_fail(ST_BAD_DATA, "%s: %s has no attribute %s", j->s->path, j->object, j->name);
    Status st = print_attr(attr, j->out);
    H5Aclose(attr);
    return st == ST_OK ? ST_OK : status_context(st, "%s: attribute %s of %s", j->s->path, j->name, j->object);
}

Status h5_source_attr(H5Source *s, const char *object, const char *name, Buf *out)
{
    AttrJob j = {s, object, name, out};
    return h5_run(s->thread, attr_job, &j);
}

// ---- texts ----

typedef struct TextJob {
    H5Source *s;
    const char *path;
    int64_t first, count;
    Arena *arena;
    Str *out;
} TextJob;

static Status read_variable(TextJob *j, hid_t dataset, hid_t type, hid_t memory, hid_t file)
{
    char **texts = calloc((size_t)j->count, sizeof *texts);
    if (!texts)
        return status_no_memory((size_t)j->count * sizeof *texts);
    Status st = ST_OK;
    if (H5Dread(dataset, type, memory, file, H5P_DEFAULT, texts) < 0)
        st = h5_fail(ST_BAD_DATA, "%s: %s: texts cannot be read", j->s->path, j->path);
    for (int64_t i = 0; i < j->count && st == ST_OK; i++) {
        j->out[i] = arena_str(j->arena, str_of(texts[i] ? texts[i] : ""));
        if (!j->out[i].ptr)
            st = ST_MEMORY;
    }
    H5Dvlen_reclaim(type, memory, H5P_DEFAULT, texts);
    free(texts);
    return st;
}

static Status read_fixed(TextJob *j, hid_t dataset, hid_t type, hid_t memory, hid_t file)
{
    size_t size = H5Tget_size(type);
    if (size > TEXT_MAX || (size_t)j->count > TEXT_MAX / size)
        return status_fail(ST_BAD_DATA, "%s: %s: too much text at once (limit %d bytes)", j->s->path, j->path,
                           TEXT_MAX);
    char *bytes = arena_alloc(j->arena, size * (size_t)j->count + 1);
    if (!bytes)
        return ST_MEMORY;
    if (H5Dread(dataset, type, memory, file, H5P_DEFAULT, bytes) < 0)
        return h5_fail(ST_BAD_DATA, "%s: %s: texts cannot be read", j->s->path, j->path);
    for (int64_t i = 0; i < j->count; i++)
        j->out[i] = (Str){bytes + (size_t)i * size, strnlen(bytes + (size_t)i * size, size)};
    return ST_OK;
}

static Status text_job(void *arg)
{
    TextJob *j = arg;
    hid_t dataset = h5_open_dataset(j->s, j->path);
    if (dataset < 0)
        return h5_fail(ST_BAD_DATA, "%s: no data set %s", j->s->path, j->path);
    hid_t type = H5Dget_type(dataset), file = H5Dget_space(dataset);
    hsize_t shape[H5S_MAX_RANK] = {0}, start = (hsize_t)j->first, count = (hsize_t)j->count;
    hid_t memory = H5Screate_simple(1, &count, NULL);
    Status st;
    if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_ndims(file) != 1)
        st = status_fail(ST_BAD_DATA, "%s: %s is not a list of texts", j->s->path, j->path);
    else if (H5Sget_simple_extent_dims(file, shape, NULL) < 0 || start > shape[0] || count > shape[0] - start)
        st = status_fail(ST_BAD_DATA, "%s: %s has %lld rows, not %lld", j->s->path, j->path, (long long)shape[0],
                         (long long)(start + count));
    else if (count == 0)
        st = ST_OK;
    else if (H5Sselect_hyperslab(file, H5S_SELECT_SET, &start, NULL, &count, NULL) < 0)
        st = h5_fail(ST_BAD_DATA, "%s: %s: texts cannot be read", j->s->path, j->path);
    else if (H5Tis_variable_str(type) > 0)
        st = read_variable(j, dataset, type, memory, file);
    else
        st = read_fixed(j, dataset, type, memory, file);
    H5Sclose(memory);
    H5Sclose(file);
    H5Tclose(type);
    H5Dclose(dataset);
    return st;
}

Status h5_source_read_text(H5Source *s, const char *path, int64_t first, int64_t count, Arena *arena, Str *out)
{
    TextJob j = {s, path, first, count, arena, out};
    return h5_run(s->thread, text_job, &j);
}
