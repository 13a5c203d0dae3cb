/* A disk that forgets what was not synced, for tests: preloaded into a process, it keeps, for every file under SHADOW_ROOT, a
 * copy as of the file's last fsync or fdatasync in SHADOW_COPIES. After the process was killed, the copies are what a disk
 * whose power was cut would show. A copy is made before the sync is reported, and replaces the one before at once. What was
 * deleted is there again, unless its directory was synced since. With SHADOW_CUT_AT=N the process dies when it wants to sync for
 * the Nth time, and that sync does not happen. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void keep_copy(int fd) {
    const char *root = getenv("SHADOW_ROOT"), *copies = getenv("SHADOW_COPIES");
    char link[64], path[PATH_MAX], copy[PATH_MAX], temporary[PATH_MAX];
    struct stat status;
    if (!root || !copies || fstat(fd, &status) || !S_ISREG(status.st_mode)) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    if (strncmp(path, root, strlen(root)) != 0) return;
    if (snprintf(copy, sizeof copy, "%s/%s", copies, path + strlen(root)) >= (int)sizeof copy) return;
    for (char *c = copy + strlen(copies) + 1; *c; c++)
        if (*c == '/') *c = '%';
    if (snprintf(temporary, sizeof temporary, "%s.%d.%d", copy, getpid(), fd) >= (int)sizeof temporary) return;
    int in = open(path, O_RDONLY | O_CLOEXEC), out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char buffer[65536];
    ssize_t got = -1;
    while (in >= 0 && out >= 0 && (got = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, got) != got) abort();
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    if (got == 0) rename(temporary, copy);
}

/* The directory is as it is now: copies of what was deleted from it go, too. */
static void forget_deleted(int fd) {
    const char *root = getenv("SHADOW_ROOT"), *copies = getenv("SHADOW_COPIES");
    char link[64], path[PATH_MAX], name[PATH_MAX], copy[PATH_MAX];
    struct stat status;
    if (!root || !copies || fstat(fd, &status) || !S_ISDIR(status.st_mode)) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 2);
    if (length <= 0) return;
    path[length] = '/';
    path[length + 1] = 0;
    if (strcmp(path, root) != 0) return;
    DIR *dir = opendir(copies);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (snprintf(name, sizeof name, "%s%s", root, entry->d_name) >= (int)sizeof name) continue;
        if (snprintf(copy, sizeof copy, "%s/%s", copies, entry->d_name) >= (int)sizeof copy) continue;
        if (entry->d_name[0] != '.' && access(name, F_OK) != 0) unlink(copy);
    }
    if (dir) closedir(dir);
}

static void maybe_cut(void) {
    static int syncs;
    const char *at = getenv("SHADOW_CUT_AT");
    if (at && ++syncs == atoi(at)) _exit(99);
}

int fsync(int fd) {
    maybe_cut();
    int result = syscall(SYS_fsync, fd);
    if (result == 0) keep_copy(fd);
    if (result == 0 && getenv("SHADOW_CUT_AT")) forget_deleted(fd);
    return result;
}

int fdatasync(int fd) {
    maybe_cut();
    int result = syscall(SYS_fdatasync, fd);
    if (result == 0) keep_copy(fd);
    return result;
}
