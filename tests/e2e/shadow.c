/* A disk that forgets what was not synced, for tests: preloaded into a process, it keeps, for every file under SHADOW_ROOT, a
 * copy as of the file's last fsync or fdatasync in SHADOW_COPIES. After the process was killed, the copies are what a disk
 * whose power was cut would show. A copy is made before the sync is reported, and replaces the one before at once. */
#define _GNU_SOURCE
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

int fsync(int fd) {
    int result = syscall(SYS_fsync, fd);
    if (result == 0) keep_copy(fd);
    return result;
}

int fdatasync(int fd) {
    int result = syscall(SYS_fdatasync, fd);
    if (result == 0) keep_copy(fd);
    return result;
}
