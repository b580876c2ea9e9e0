-- redis_test.lua: a client of Redis, with RESP written by hand, against a real redis-server.
local here = arg[0]:match('^.*/') or './'
package.path = ('%s?.lua;%s../lua/?.lua;%s'):format(here, here, package.path)
local test = require 'test'
local fiber = require 'fiber'
local peer = require 'peer'
local socket = require 'socket'

local null = {} -- what Redis calls nil

local replies = {
  ['+'] = function(_, text) return text end,
  ['-'] = function(_, text) return nil, text end,
  [':'] = function(_, text) return tonumber(text) end,
  ['$'] = function(s, text)
    local size = tonumber(text)
    if size < 0 then return null end
    return s:read(size + 2):sub(1, -3)
  end,
}

local function read_reply(s, timeout)
  local line, message, code = s:read('\r\n', timeout)
  if not line then return nil, message, code end
  local text = line:sub(2, -3)
  if line:sub(1, 1) ~= '*' then return replies[line:sub(1, 1)](s, text) end
  if text == '-1' then return null end
  local list = {}
  for i = 1, tonumber(text) do list[i] = read_reply(s) end
  return list
end

local function command_pieces(...)
  local pieces = { ('*%d\r\n'):format(select('#', ...)) }
  for i = 1, select('#', ...) do
    local word = tostring((select(i, ...)))
    table.move({ ('$%d\r\n'):format(#word), word, '\r\n' }, 1, 3, #pieces + 1, pieces)
  end
  return pieces
end

local function send(s, ...) return assert(s:write(command_pieces(...))) end

local function call(s, ...)
  send(s, ...)
  return read_reply(s)
end

local function start()
  peer.need('redis-server', 'redis-server')
  local port, folder = peer.free_port(), peer.new_folder()
  local server = peer.start(("redis-server --port %d --bind 127.0.0.1 --save '' --appendonly no --dir %s " ..
    '--unixsocket %s/socket --maxmemory-policy noeviction'):format(port, folder, folder), port)
  server.folder = folder
  return server, function()
    server:stop()
    os.execute('rm -r ' .. folder)
  end
end

local function cases(server)
  local function connect() return assert(peer.connect(server.port)) end

  test.case('a command and its answer', function()
    local s <close> = connect()
    test.equal(call(s, 'PING'), 'PONG')
    test.equal({ call(s, 'SET', 'key', 'value'), call(s, 'GET', 'key') }, { 'OK', 'value' })
    test.equal(call(s, 'GET', 'no such key'), null)
    test.match(select(2, call(s, 'NOSUCH')), '^ERR unknown command')
  end)

  test.case('values with every byte in them', function()
    local s <close> = connect()
    local bytes = {}
    for i = 0, 255 do bytes[i + 1] = string.char(i) end
    local value = table.concat(bytes):rep(10)
    call(s, 'SET', 'bytes', value)
    test.equal(call(s, 'GET', 'bytes'), value)
  end)

  test.case('a value of 30 megabytes', function()
    local s <close> = connect()
    local value = ('0123456789abcdef'):rep(30 << 16)
    test.equal(call(s, 'SET', 'large', value), 'OK')
    test.ok(call(s, 'GET', 'large') == value)
    call(s, 'DEL', 'large')
  end)

  test.case('fifty fibers with a connection each', function()
    peer.in_fibers(50, function(i)
      local s <close> = connect()
      for k = 1, 50 do
        call(s, 'INCR', 'counter')
        call(s, 'SET', 'own' .. i, k)
        test.equal(call(s, 'GET', 'own' .. i), tostring(k))
      end
    end)
    local s <close> = connect()
    test.equal(call(s, 'GET', 'counter'), '2500')
  end)

  test.case('a thousand commands in one write', function()
    local s <close> = connect()
    local pieces = {}
    for i = 1, 1000 do
      local command = command_pieces('ECHO', 'number ' .. i)
      table.move(command, 1, #command, #pieces + 1, pieces)
    end
    s:write(pieces)
    for i = 1, 1000 do test.equal(read_reply(s), 'number ' .. i) end
  end)

  test.case('one connection shared by a writing and a reading fiber, output gathered', function()
    local s <close> = connect()
    s:setvbuf('auto')
    local writer = fiber.spawn(function()
      for i = 1, 2000 do send(s, 'ECHO', i) end
    end)
    for i = 1, 2000 do test.equal(read_reply(s), tostring(i)) end
    writer:join()
  end)

  test.case('fifty fibers wait in BLPOP until another one pushes', function()
    local got = {}
    local waiting = fiber.wait_group()
    local fibers = {}
    waiting:add(50)
    for i = 1, 50 do
      fibers[i] = fiber.spawn(function()
        local s <close> = connect()
        send(s, 'BLPOP', 'queue', 0)
        waiting:done()
        table.insert(got, tonumber(read_reply(s)[2]))
      end)
    end
    waiting:wait()
    local s <close> = connect()
    for i = 1, 50 do call(s, 'RPUSH', 'queue', i) end
    for i = 1, 50 do test.equal(fibers[i]:join(), true) end
    table.sort(got)
    for i = 1, 50 do test.equal(got[i], i) end
  end)

  test.case('an answer that comes after a timeout is not lost', function()
    local s <close> = connect()
    send(s, 'BLPOP', 'late', 0)
    test.fails('ETIMEDOUT', read_reply(s, 0.01))
    do
      local pusher <close> = connect()
      call(pusher, 'RPUSH', 'late', 'here')
    end
    test.equal(read_reply(s), { 'late', 'here' })
  end)

  test.case('messages are published to subscribers', function()
    local subscribers, ready = {}, fiber.wait_group()
    ready:add(10)
    for i = 1, 10 do
      subscribers[i] = fiber.spawn(function()
        local s <close> = connect()
        call(s, 'SUBSCRIBE', 'news')
        ready:done()
        return read_reply(s)[3]
      end)
    end
    ready:wait()
    local s <close> = connect()
    test.equal(call(s, 'PUBLISH', 'news', 'hear, hear'), 10)
    for i = 1, 10 do test.equal({ subscribers[i]:join() }, { true, 'hear, hear' }) end
  end)

  test.case('a connection that the server closes ends', function()
    local s <close> = connect()
    local killer <close> = connect()
    local id = call(s, 'CLIENT', 'ID')
    local reader = fiber.spawn(s.read, s, '\r\n')
    fiber.yield()
    test.equal(call(killer, 'CLIENT', 'KILL', 'ID', id), 1)
    test.equal({ reader:join() }, { true, '' })
  end)

  test.case('the same over a Unix socket', function()
    local s <close> = socket('AF_UNIX', 'SOCK_STREAM', 0)
    test.equal(s:sysconnect('unix/', server.folder .. '/socket'), true)
    test.equal({ call(s, 'SET', 'unix', 1), call(s, 'GET', 'unix') }, { 'OK', '1' })
  end)
end

peer.with_server(start, cases)
test.finish()
