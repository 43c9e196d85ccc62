"""Nchan, the peer of the gateway's benchmarks: an nginx of a benchmark's own with Debian's module.

Settings, each so that Nchan does its best at what is measured:
- one process (worker_processes 1 without a master), as there is one gateway beside it; what
  Sluice's other processes take is counted, too;
- keepalive_requests without limit: its default of 1,000 would make the publisher connect again;
- nchan_message_buffer_length 2000: as many messages are kept as the storms ask for again (10 is the
  default); the messages are stored in any case, until they were sent, so this costs no time;
- nchan_shared_memory_size: large enough for that; nchan_subscriber_timeout 0: nobody is thrown out;
- no access log, and no pings: idle connections cost it no time, while Sluice's get heartbeats;
- nothing can make it set TCP_NODELAY on a stream: tcp_nodelay (on) works on what is kept alive. A
  reader of few events a second sees that as 40 ms: latencies at low rates say little of Nchan.
"""

from tests.bed.net import can_listen, free_port, wait_until
from tests.bed.process import BedError, Group

MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"
CONF = """\
load_module {module};
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{
    worker_connections {connections};
}}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_body_buffer_size 64k;
    nchan_shared_memory_size 512M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location ~ ^/pub/(\\w+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
            nchan_message_buffer_length 2000;
            nchan_message_timeout 1h;
        }}
        location ~ ^/sub/(\\w+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            nchan_subscriber_timeout 0;
        }}
    }}
}}
"""


class Nchan(Group):
    """One nginx that listens on `port` of 127.0.0.1; a context manager."""

    def __init__(self, connections=11000):
        """For so many CONNECTIONS; nothing is started yet."""
        super().__init__()
        self.connections = connections
        self.port = free_port()

    def _start(self):
        """Starts it and waits until it listens."""
        self.make_directory()
        path = f"{self.directory}/nginx.conf"
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                CONF.format(
                    module=MODULE,
                    directory=self.directory,
                    port=self.port,
                    connections=self.connections,
                    files=self.connections + 1000,
                )
            )
        try:
            process = self.add("nginx", ["/usr/sbin/nginx", "-p", self.directory, "-c", path])
        except FileNotFoundError as error:
            raise BedError("nginx is missing: apt-get install nginx libnginx-mod-nchan") from error

        def listens():
            process.check()
            return not can_listen(self.port)

        wait_until(listens, 10, "nginx listens")

    @property
    def pids(self):
        """Its process ids."""
        return [process.pid for process in self.processes]
