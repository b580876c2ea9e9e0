--- line_server.lua: servers that answer lines, and what asks them, for the tests.
local fiber = require 'fiber'
local socket = require 'socket'

local line_server = {}

--- A handler that answers every line with itself.
function line_server.echo(s)
  for line in s:lines() do s:write(line .. '\n') end
end

--- A server on a free port of `host` (127.0.0.1).
function line_server.serve(options, host)
  return assert(socket.tcp_server(host or '127.0.0.1', 0, options))
end

--- A connection to it.
function line_server.connect(server)
  local name = server:name()
  return assert(socket.tcp_connect(name.host, name.port, 10))
end

--- The answer to a line.
function line_server.ask(s, line)
  assert(s:write(line .. '\n'))
  return s:readline(nil, 10)
end

--- A set.
function line_server.names_of_fibers()
  local names = {}
  for _, row in pairs(fiber.info()) do names[row.name] = true end
  return names
end

return line_server
