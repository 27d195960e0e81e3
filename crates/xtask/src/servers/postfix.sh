#!/bin/sh
# Runs a command of an unpacked Postfix as if it were installed: the instance's main.cf (after -c) is
# told once where the parts lie, and as whom to run on a system without Postfix's own user.
set -eu
root='@ROOT@'
export LD_LIBRARY_PATH='@LIBRARIES@'
folder=
previous=
for argument in "$@"; do
    if [ "$previous" = -c ]; then folder=$argument; fi
    previous=$argument
done
if [ -n "$folder" ] && ! grep -q '^import_environment = .*LD_LIBRARY_PATH' "$folder/main.cf"; then
    owner=postfix
    group=postdrop
    if ! getent passwd "$owner" >/dev/null || ! getent group "$group" >/dev/null; then
        owner=mail
        group=daemon
    fi
    cat >>"$folder/main.cf" <<END

daemon_directory = $root/usr/lib/postfix/sbin
command_directory = $root/usr/sbin
shlib_directory = $root/usr/lib/postfix
meta_directory = $root/etc/postfix
sendmail_path = $root/usr/sbin/sendmail
newaliases_path = $root/usr/sbin/sendmail
mailq_path = $root/usr/sbin/sendmail
mail_owner = $owner
setgid_group = $group
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH
END
fi
exec "$root/usr/sbin/$(basename "$0")" "$@"
