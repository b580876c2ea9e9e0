-- echo_server.lua: sends back whatever a client sends, for any number of clients at once.
--
--     coir examples/echo_server.lua [HOST [PORT]]
--
-- HOST is a name or an address, 127.0.0.1 if none is given; PORT is 7000, and 0 lets the system choose.
-- Prints `listening on HOST:PORT`. Ctrl-C ends it.
local socket = require 'socket'

local host, port = arg[1] or '127.0.0.1', arg[2] or 7000

--- Serves one client until it has said all, or is gone. The server closes the socket however this ends.
local function serve(client)
  repeat
    local data = client:read_any()
  until not data or data == '' or not client:write(data)
end

local server = assert(socket.tcp_server(host, port, serve))
print(('listening on %s:%d'):format(server:name().host, server:name().port))
io.stdout:flush()
