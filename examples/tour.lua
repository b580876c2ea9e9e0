-- tour.lua: what coir does, in a few seconds. It prints each step with the time it took, and ends.
--
--     ./dev demo                     builds coir and runs this
--     coir examples/tour.lua [N]     runs it with N fibers instead of 1,000
--
-- Every server that it talks to it starts itself, on this machine.
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local began = fiber.clock()

local function say(text, ...)
  print(('%6.3f s  ' .. text):format(fiber.clock() - began, ...))
  io.stdout:flush()
end

-- -- A server and a client ----------------------------------------------------------------------------

local servers = {}

--- Starts a server: `handler(socket)` runs in a fiber for each connection. Returns the port.
local function start_server(handler)
  local server = assert(socket.tcp_server('127.0.0.1', 0, handler))
  servers[#servers + 1] = server
  return server:name().port
end

local function connect(port) return assert(socket.tcp_connect('127.0.0.1', port, 10)) end

local function echo_lines(client)
  for line in client:lines() do client:write(line .. '\n') end
end

--- Sends a line and waits for the answer.
local function ask(s, text)
  assert(s:write(text .. '\n'))
  return (assert(s:readline()):gsub('\n$', ''))
end

-- -- The steps ----------------------------------------------------------------------------------------

--- Each connection takes two descriptors, because both of its ends are in this process.
local function affordable(wanted)
  local pipe <close> = assert(io.popen('ulimit -n'))
  local limit = tonumber(pipe:read('l')) or math.huge -- or "unlimited"
  local most = math.max(1, (limit - 50) // 2)
  if wanted <= most then return wanted end
  say('%d fibers would need %d descriptors, and `ulimit -n` allows %d: only %d fibers talk',
    wanted, 2 * wanted + 50, limit, most)
  return most
end

local function talk_at_once(port, count)
  local rounds, start = 10, fiber.clock()
  local answers, connected = 0, 0
  local everybody = fiber.cond()
  local function talk(number)
    local s <close> = connect(port)
    connected = connected + 1
    if connected == count then everybody:broadcast() else everybody:wait() end
    for round = 1, rounds do
      local text = number .. '.' .. round
      assert(ask(s, text) == text)
      answers = answers + 1
    end
  end
  local crowd = {}
  for number = 1, count do crowd[number] = assert(fiber.spawn(talk, number)) end
  for _, one in ipairs(crowd) do assert(one:join()) end
  local time = fiber.clock() - start
  say('%d fibers, all connected at once, had %d lines echoed in %.3f s', count, answers, time)
end

local function wait_in_comparator(s)
  local words = { 'pear', 'fig', 'quince', 'apple', 'plum' }
  local questions = 0
  table.sort(words, function(a, b)
    questions = questions + 2
    return ask(s, a) < ask(s, b)
  end)
  say('table.sort asked the server %d times in its comparator: %s', questions, table.concat(words, ' '))
end

local function wait_in_callback(s)
  local text = ('one two three'):gsub('%a+', function(word) return ask(s, word:upper()) end)
  say('string.gsub asked it for each word in its callback: %s', text)
end

local function time_out(port)
  local s <close> = connect(port)
  local start = fiber.clock()
  local data, problem, code = s:read(1, 0.3)
  assert(data == nil)
  say('a peer that says nothing: %s (%s) after %.3f s', problem, errno[code], fiber.clock() - start)
end

local function look_up_localhost()
  local addresses = {}
  for i, row in ipairs(assert(socket.getaddrinfo('localhost', 0, { type = 'SOCK_STREAM' }))) do
    addresses[i] = row.host
  end
  say('localhost is %s', table.concat(addresses, ' and '))
end

local function serve_page(client)
  local request = client:readline({ '\r\n\r\n', '\n\n' }, 10)
  if not request then return end
  local page = ('<h1>You asked for %s</h1>\n'):format(request:match('^GET (%S+)') or 'nothing')
  client:write({ 'HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: ', tostring(#page),
    '\r\n\r\n', page })
end

local function fetch_page()
  local port = start_server(serve_page)
  local s <close> = connect(port)
  assert(s:write('GET /tour HTTP/1.0\r\n\r\n'))
  local header = assert(s:readline({ '\r\n\r\n' }, 10))
  local length = tonumber(header:match('Content%-Length: (%d+)'))
  local body = assert(s:read(length, 10))
  say('http://127.0.0.1:%d/tour: %s: %s', port, header:match('^[^\r]+'), (body:gsub('\n$', '')))
end

-- -- The tour -----------------------------------------------------------------------------------------

local echo_port = start_server(echo_lines)
say('a server that echoes lines listens on 127.0.0.1:%d', echo_port)
talk_at_once(echo_port, affordable(tonumber(arg[1]) or 1000))

do
  local s <close> = connect(echo_port)
  wait_in_comparator(s)
  wait_in_callback(s)
end

time_out(start_server(function(client)
  client:read() -- until the other side ends
end))
look_up_localhost()
fetch_page()

for _, server in ipairs(servers) do server:stop(1) end
say('the end')
