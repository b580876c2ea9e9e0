-- http_client.lua: fetches a page over HTTP/1.0 and prints its body; the status goes to stderr.
--
--     coir examples/http_client.lua HOST [PORT [PATH]]
--
-- HOST is a name or an address. PORT is 80, PATH is `/` if none is given.
-- The exit status is 0 when the server answered with 2xx, and 1 otherwise.
local fiber = require 'fiber'
local socket = require 'socket'

local longest = 10 -- seconds that the whole request may take
local largest_header = 65536

--- Each step gets the time that is left of the whole.
local deadline = fiber.clock() + longest
local function time_left() return math.max(0, deadline - fiber.clock()) end

--- Takes the status line and the fields apart; field names come out in lower case.
local function parse_header(text)
  local version, status, reason = text:match('^(HTTP/%d%.%d) (%d%d%d) ?([^\r\n]*)')
  if not version then return nil, 'the answer is not HTTP' end
  local header = { status = tonumber(status), reason = reason }
  for name, value in text:gmatch('\n([^:\r\n]+):[ \t]*([^\r\n]*)') do
    header[name:lower()] = value
  end
  return header
end

--- Returns the body and the header, or nil and what went wrong.
local function http_request(host, port, request)
  local s <close>, problem = socket.tcp_connect(host, port, time_left())
  if not s then return nil, problem end
  local sent, text
  sent, problem = s:write(request, time_left())
  if not sent then return nil, problem end
  text, problem = s:readline(largest_header, { '\r\n\r\n', '\n\n' }, time_left())
  if not text then return nil, problem end
  local header
  header, problem = parse_header(text)
  if not header then return nil, problem end
  -- Without a length the body ends where the connection does.
  local length = tonumber(header['content-length'])
  local body
  body, problem = s:read({ size = length }, time_left())
  if not body then return nil, problem end
  if length and #body < length then return nil, ('the body ended after %d of %d bytes'):format(#body, length) end
  return body, header
end

local host, port, path = arg[1], arg[2] or '80', arg[3] or '/'
if not host then
  io.stderr:write('usage: coir examples/http_client.lua HOST [PORT [PATH]]\n')
  os.exit(2)
end

local request = ('GET %s HTTP/1.0\r\nHost: %s:%s\r\nConnection: close\r\n\r\n'):format(path, host, port)
local body, header = http_request(host, port, request)
if not body then
  io.stderr:write('http_client: ', header, '\n')
  os.exit(1)
end
io.stderr:write(('%d %s, %d bytes\n'):format(header.status, header.reason, #body))
io.stdout:write(body)
os.exit(header.status // 100 == 2)
