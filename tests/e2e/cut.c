/* A machine whose power fails at a chosen moment, for tests: preloaded into a program, it kills it before the operation number
 * CUT_AT that could change a file below CUT_ROOT (opening, writing, syncing, renaming, linking, unlinking; counted from 0). Until then
 * it keeps in CUT_COPIES what a disk is sure to have: of a file that was synced its contents, under its inode's number; of a
 * directory that was synced its names, one "inode name" a line, in "names". */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int count;

static int is_below(const char *path) {
    const char *root = getenv("CUT_ROOT");
    return root && path && strncmp(path, root, strlen(root)) == 0;
}

static int is_ours(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static void step(void) {
    const char *at = getenv("CUT_AT");
    if (at && __sync_fetch_and_add(&count, 1) == atoi(at)) kill(getpid(), SIGKILL);
}

static void keep_file(const char *path, ino_t inode) {
    char copy[PATH_MAX], buffer[65536];
    snprintf(copy, sizeof copy, "%s/%lu", getenv("CUT_COPIES"), (unsigned long)inode);
    int in = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    int out = syscall(SYS_openat, AT_FDCWD, copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t got;
    while (in >= 0 && out >= 0 && (got = syscall(SYS_read, in, buffer, sizeof buffer)) > 0)
        if (syscall(SYS_write, out, buffer, got) != got) abort();
    if (in >= 0) close(in);
    if (out >= 0) close(out);
}

static void keep_names(const char *path) {
    char names[PATH_MAX];
    snprintf(names, sizeof names, "%s/names", getenv("CUT_COPIES"));
    DIR *dir = opendir(path);
    FILE *out = fopen(names, "w");
    struct dirent *entry;
    while (dir && out && (entry = readdir(dir)))
        if (entry->d_type == DT_REG) fprintf(out, "%lu %s\n", (unsigned long)entry->d_ino, entry->d_name);
    if (dir) closedir(dir);
    if (out) fclose(out);
}

static int sync_kept(int fd, int number) {
    char path[PATH_MAX];
    int ours = is_ours(fd, path);
    if (ours) step();
    int result = syscall(number, fd);
    struct stat status;
    if (result == 0 && ours && fstat(fd, &status) == 0) {
        if (S_ISREG(status.st_mode)) keep_file(path, status.st_ino);
        if (S_ISDIR(status.st_mode)) keep_names(path);
    }
    return result;
}

int fsync(int fd) { return sync_kept(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_kept(fd, SYS_fdatasync); }

ssize_t write(int fd, const void *bytes, size_t length) {
    char path[PATH_MAX];
    if (is_ours(fd, path)) step();
    return syscall(SYS_write, fd, bytes, length);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    char path[PATH_MAX];
    if (is_ours(fd, path)) step();
    return syscall(SYS_pwrite64, fd, bytes, length, at);
}

static int opened(int dir, const char *path, int flags, mode_t mode) {
    if (is_below(path)) step();
    return syscall(SYS_openat, dir, path, flags, mode);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return opened(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return opened(dir, path, flags, mode); }

int rename(const char *from, const char *to) {
    if (is_below(to)) step();
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    if (is_below(to)) step();
    return syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlink(const char *path) {
    if (is_below(path)) step();
    return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
