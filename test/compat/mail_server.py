"""Starts exim on a free port, with nothing but a folder of its own: mail_server.py FOLDER.

Prints its process id and the port. Mail for test.example is appended to FOLDER/mbox, but for the
local part `refused`, and everything else is rejected. Without a connection for a minute exim ends.
"""

import os
import pwd
import socket
import sys

CONFIG = """
primary_hostname = test.example
spool_directory = {folder}/spool
log_file_path = {folder}/log-%s
pid_file_path = {folder}/pid
exim_user = {user}
exim_group = {group}
deliver_drop_privilege = true
never_users =
acl_smtp_rcpt = check
smtp_accept_max_per_connection = 5
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
keep_environment =
begin acl
check:
  deny local_parts = refused
       message = nobody of that name
  accept domains = test.example
  deny message = relaying is not permitted
begin routers
all:
  driver = accept
  transport = store
begin transports
store:
  driver = appendfile
  file = {folder}/mbox
  user = {user}
  group = {group}
  mode_fail_narrower = false
  use_lockfile = false
"""


def main():
    folder = sys.argv[1]
    user = pwd.getpwnam("Debian-exim") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    config = os.path.join(folder, "exim.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(CONFIG.format(folder=folder, user=user.pw_uid, group=user.pw_gid))
    os.chown(folder, user.pw_uid, user.pw_gid)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(20)
    print(os.getpid(), listener.getsockname()[1], flush=True)
    os.dup2(listener.fileno(), 0)
    os.set_inheritable(0, True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv("/usr/sbin/exim4", ["exim4", "-bw60s", "-C", config])


main()
