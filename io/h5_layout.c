// Laying out an output file: data sets with their space reserved, and attributes, in one go under a temporary name.
// The format is the oldest one HDF5 writes: a file killed at any moment then opens without repair.
#include "io/h5_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ALIGN_FROM = 65536, ALIGN_TO = 4096 };

Status layout_begin(const char *path, LayoutFile *out)
{
    *out = (LayoutFile){.file = -1, .fd = -1};
    size_t len = strlen(path);
    char *final = strdup(path), *temporary = malloc(len + 5);
    if (!final || !temporary) {
        free(final);
        free(temporary);
        return status_no_memory(len);
    }
    memcpy(temporary, path, len);
    memcpy(temporary + len, ".tmp", 5);
    out->path = final;
    out->fd = open(temporary, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0666);
    if (out->fd < 0) {
        Status st = status_fail(ST_IO, "%s: cannot be created: %s", path, strerror(errno));
        free(temporary);
        return st;
    }
    out->temporary = temporary;
    hid_t access = h5_access(false);
    H5Pset_alignment(access, ALIGN_FROM, ALIGN_TO);
    out->file = H5Fcreate(temporary, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    return out->file >= 0 ? ST_OK : h5_fail(ST_IO, "%s: cannot be created", path);
}

static hid_t text_type(int size)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size ? (size_t)size : H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    return type;
}

static hid_t creation_of(const LayoutItem *item, const hsize_t *shape, hid_t type)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY);
    if (item->trimmable) {
        H5Pset_chunk(plist, item->ndim, shape);
        if (!item->text_size && item->fill)
            H5Pset_fill_value(plist, H5T_NATIVE_INT64, &item->fill);
        H5Pset_fill_time(plist, H5D_FILL_TIME_ALLOC);
    } else if (!item->text) {
        H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER); // a hole of the file reads as zeros
    }
    (void)type;
    return plist;
}

Status layout_place(hid_t dataset, const char *path, uint64_t *offset)
{
    *offset = 0;
    if (H5Dget_storage_size(dataset) == 0)
        return ST_OK;
    hid_t plist = H5Dget_create_plist(dataset), space = H5Dget_space(dataset);
    haddr_t at = HADDR_UNDEF;
    if (H5Pget_layout(plist) == H5D_CHUNKED) {
        hsize_t start[H5_MAX_DIMS + 1], size;
        unsigned skipped;
        H5Dget_chunk_info(dataset, space, 0, start, &skipped, &at, &size);
    } else {
        at = H5Dget_offset(dataset);
    }
    H5Pclose(plist);
    H5Sclose(space);
    if (at == HADDR_UNDEF)
        return h5_fail(ST_IO, "%s: a data set has no place in the file", path);
    *offset = at;
    return ST_OK;
}

// bfloat16 is stored as float32 and says what it was.
static Status note_dtype(hid_t dataset, DType dtype, const char *path)
{
    if (dtype != DT_BF16)
        return ST_OK;
    SinkAttr note = {.name = "dtype", .kind = ATTR_TEXT, .text = "bfloat16"};
    return layout_attr(dataset, &note, path);
}

// HDF5 does not recover from a size that the file system refuses, so it is tried before HDF5 does.
static bool can_grow(const LayoutFile *f)
{
    struct stat info;
    return fstat(f->fd, &info) == 0 &&
           ((uint64_t)info.st_size >= f->reserved || ftruncate(f->fd, (off_t)f->reserved) == 0);
}

Status layout_add(LayoutFile *f, LayoutItem *item)
{
    hsize_t shape[H5_MAX_DIMS + 1];
    uint64_t row = 1;
    bool too_large = false;
    for (int i = 0; i < item->ndim; i++) {
        shape[i] = (hsize_t)item->shape[i];
        if (i)
            too_large |= __builtin_mul_overflow(row, (uint64_t)shape[i], &row);
    }
    hid_t type = item->text || item->text_size ? text_type(item->text_size) : h5_file_type(item->dtype);
    if (type < 0)
        return status_fail(ST_UNSUPPORTED, "%s: %s: results of type %s cannot be written: dequantize them in the model",
                           f->path, item->path, dtype_python_name(item->dtype));
    uint64_t total;
    item->extent = (RowExtent){.rows = item->shape[0], .dtype = item->dtype, .in_place = !item->text};
    too_large |= __builtin_mul_overflow(row, (uint64_t)H5Tget_size(type), &item->extent.row_bytes);
    too_large |=
        __builtin_mul_overflow(item->extent.row_bytes, (uint64_t)item->shape[0], &total) || total > INT64_MAX / 2;
    f->reserved += too_large ? 0 : total;
    too_large |= !can_grow(f);
    if (too_large) {
        H5Tclose(type);
        return status_fail(ST_IO, "%s: %s: too many elements for a file", f->path, item->path);
    }
    hid_t space = H5Screate_simple(item->ndim, shape, NULL), plist = creation_of(item, shape, type);
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    hid_t dataset = H5Dcreate2(f->file, item->path, type, space, links, plist, H5P_DEFAULT);
    Status st = dataset >= 0 ? ST_OK : h5_fail(ST_IO, "%s: cannot create the data set %s", f->path, item->path);
    if (st == ST_OK && !item->text)
        st = layout_place(dataset, f->path, &item->extent.offset);
    if (st == ST_OK && !item->text && !item->text_size)
        st = note_dtype(dataset, item->dtype, f->path);
    if (dataset >= 0)
        H5Dclose(dataset);
    H5Pclose(links);
    H5Pclose(plist);
    H5Sclose(space);
    H5Tclose(type);
    return st;
}

// ---- attributes ----

Status layout_attr(hid_t object, const SinkAttr *attr, const char *path)
{
    hid_t type, space = H5Screate(H5S_SCALAR);
    signed char truth = attr->integer != 0;
    const void *value = &attr->integer;
    switch (attr->kind) {
    case ATTR_TEXT:
        type = text_type(0);
        value = &attr->text;
        break;
    case ATTR_BOOL:
        type = h5_file_type(DT_BOOL);
        value = &truth;
        break;
    case ATTR_FLOAT:
        type = H5Tcopy(H5T_NATIVE_DOUBLE);
        value = &attr->number;
        break;
    default:
        type = H5Tcopy(H5T_NATIVE_INT64);
    }
    hid_t a = H5Acreate2(object, attr->name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    Status st = a >= 0 && H5Awrite(a, type, value) >= 0
                    ? ST_OK
                    : h5_fail(ST_IO, "%s: cannot write attribute %s", path, attr->name);
    if (a >= 0)
        H5Aclose(a);
    H5Tclose(type);
    H5Sclose(space);
    return st;
}

Status layout_set_complete(hid_t file, bool complete, const char *path)
{
    signed char truth = complete;
    hid_t a = H5Aopen(file, "complete", H5P_DEFAULT), type = h5_file_type(DT_BOOL);
    Status st = a >= 0 && H5Awrite(a, type, &truth) >= 0
                    ? ST_OK
                    : h5_fail(ST_IO, "%s: cannot set the attribute complete", path);
    if (a >= 0)
        H5Aclose(a);
    H5Tclose(type);
    return st;
}

// ---- closing and naming ----

// Reserves the whole file. A file system that cannot says so later, row by row.
static Status reserve_space(const LayoutFile *f)
{
    struct stat info;
    if (fstat(f->fd, &info) != 0)
        return status_fail(ST_IO, "%s: %s", f->path, strerror(errno));
    if (info.st_size == 0 || fallocate(f->fd, 0, 0, info.st_size) == 0 ||
        (errno != ENOSPC && errno != EDQUOT && errno != EFBIG))
        return ST_OK;
    int reason = errno;
    struct statvfs fs;
    unsigned long long free_bytes = fstatvfs(f->fd, &fs) == 0 ? (unsigned long long)fs.f_bavail * fs.f_frsize : 0;
    return status_fail(ST_IO, "%s: needs %lld bytes, %llu are free: %s", f->path, (long long)info.st_size, free_bytes,
                       strerror(reason));
}

Status layout_close(LayoutFile *f)
{
    bool flushed = H5Fflush(f->file, H5F_SCOPE_LOCAL) >= 0;
    bool closed = H5Fclose(f->file) >= 0;
    f->file = -1;
    if (!flushed || !closed)
        return h5_fail(ST_IO, "%s: cannot be written (disk full?)", f->path);
    return reserve_space(f);
}

Status layout_publish(LayoutFile *f, bool replace)
{
    int failed = replace ? rename(f->temporary, f->path)
                         : renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->path, RENAME_NOREPLACE);
    if (failed && !replace && (errno == EINVAL || errno == ENOSYS)) // a file system without that call
        failed = access(f->path, F_OK) == 0 ? (errno = EEXIST, -1) : rename(f->temporary, f->path);
    if (failed)
        return status_fail(ST_IO, "%s: %s%s", f->path, strerror(errno),
                           errno == EEXIST ? ": use --overwrite to replace it or --resume to go on with it" : "");
    free(f->temporary);
    f->temporary = NULL;
    return ST_OK;
}

void layout_end(LayoutFile *f)
{
    if (f->file >= 0)
        H5Fclose(f->file);
    if (f->fd >= 0)
        close(f->fd);
    if (f->temporary)
        unlink(f->temporary);
    free(f->temporary);
    free(f->path);
    *f = (LayoutFile){.file = -1, .fd = -1};
}
