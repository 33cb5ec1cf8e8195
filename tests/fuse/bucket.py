"""A directory, mounted by FUSE as a bucket: it refuses what buckets refuse.

    bucket.py DIRECTORY MOUNT REFUSAL…

It writes `mounted` when it can be used, and ends when it is unmounted. What it refuses:

    rewrite       to open a file for writing that is there, and to write it other than front to
                  back (rclone without a cache, Mountpoint for Amazon S3): EPERM
    truncate      to cut a file that is open: it does not, and says that it did (s3fs and others)
    rename        to rename (Mountpoint for Amazon S3): ENOSYS
    rename-open   to rename a file that is open: EIO
    link          hard links: EPERM
    hides         it shows a file only after it was closed
"""

import errno
import os
import sys
import threading

from fuse import FUSE, FuseOSError, Operations


class Bucket(Operations):
    def __init__(self, root, refusals):
        self.root, self.refusals = root, set(refusals)
        self.ends = {}
        self.open_for_writing = {}
        self.guard = threading.Lock()

    def path(self, path):
        return self.root + path

    def refuse(self, what, error):
        if what in self.refusals:
            raise FuseOSError(error)

    def init(self, path):
        print("mounted", flush=True)

    # Names

    def getattr(self, path, fh=None):
        if "hides" in self.refusals and fh is None and self.open_for_writing.get(path):
            raise FuseOSError(errno.ENOENT)
        found = os.lstat(self.path(path))
        names = ["st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_mtime", "st_ctime"]
        return {name: getattr(found, name) for name in names}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.path(path))]

    def mkdir(self, path, mode):
        os.mkdir(self.path(path), mode)

    def rmdir(self, path):
        os.rmdir(self.path(path))

    def unlink(self, path):
        os.unlink(self.path(path))

    def rename(self, old, new):
        self.refuse("rename", errno.ENOSYS)
        if self.open_for_writing.get(old):
            self.refuse("rename-open", errno.EIO)
        os.rename(self.path(old), self.path(new))

    def link(self, target, source):
        self.refuse("link", errno.EPERM)
        os.link(self.path(source), self.path(target))

    def symlink(self, target, source):
        raise FuseOSError(errno.EPERM)

    def chmod(self, path, mode):
        raise FuseOSError(errno.ENOSYS)

    def utimens(self, path, times=None):
        pass

    def statfs(self, path):
        found = os.statvfs(self.path(path))
        names = ["f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_files", "f_ffree", "f_frsize"]
        return {name: getattr(found, name) for name in names}

    # Content

    def begin(self, path, fd):
        with self.guard:
            self.open_for_writing[path] = self.open_for_writing.get(path, 0) + 1
            self.ends[fd] = (path, 0)
        return fd

    def create(self, path, mode, fi=None):
        return self.begin(path, os.open(self.path(path), os.O_RDWR | os.O_CREAT, mode))

    def open(self, path, flags):
        if flags & os.O_ACCMODE == os.O_RDONLY:
            return os.open(self.path(path), os.O_RDONLY)
        self.refuse("rewrite", errno.EPERM)
        return self.begin(path, os.open(self.path(path), os.O_RDWR))

    def read(self, path, size, offset, fd):
        return os.pread(fd, size, offset)

    def write(self, path, data, offset, fd):
        with self.guard:
            written, end = self.ends.get(fd, (path, offset))
            if offset != end:
                self.refuse("rewrite", errno.EPERM)
            self.ends[fd] = (written, offset + len(data))
        return os.pwrite(fd, data, offset)

    def truncate(self, path, length, fh=None):
        self.refuse("rewrite", errno.EPERM)
        if "truncate" in self.refusals and (fh is not None or self.open_for_writing.get(path)):
            return
        os.truncate(self.path(path), length)

    def flush(self, path, fd):
        """A descriptor is closed, which waits for this, but not for `release`."""
        with self.guard:
            written, _ = self.ends.pop(fd, (None, 0))
            if written:
                self.open_for_writing[written] -= 1

    def release(self, path, fd):
        os.close(fd)

    def fsync(self, path, datasync, fd):
        os.fsync(fd)


if __name__ == "__main__":
    directory, mount, *refused = sys.argv[1:]
    # Without `hard_remove`, libfuse renames what is removed before its last close has arrived, which a
    # bucket that cannot rename refuses.
    options = {"subtype": "bucket", "attr_timeout": 0, "hard_remove": True}
    FUSE(Bucket(directory, refused), mount, foreground=True, **options)
