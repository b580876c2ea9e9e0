-- churn.lua: a TCP echo server by socket.tcp_server. It prints `port N`.
--
-- bench/run_echo --mode churn compares what a connection for one echo costs it with what it costs a server
-- in C.

local socket = require 'socket'

local server = assert(socket.tcp_server('127.0.0.1', 0, {
  prepare = function(s)
    s:setsockopt('IPPROTO_TCP', 'TCP_NODELAY', true) -- connections inherit it
    return 4096
  end,
  handler = function(client)
    while true do
      local data = client:read_any(65536)
      if not data or data == '' then break end
      client:write(data)
    end
  end,
}))
print('port ' .. server:name().port)
io.stdout:flush()
