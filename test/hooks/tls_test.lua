-- tls_test.lua: lua-sec over LuaSocket, both as Debian has them, client and server in one process.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local others = require 'others'
local coir = require 'coir'
local fiber = require 'fiber'
local test = require 'test'
local peer = others.peer

peer.need('openssl')
local folder = peer.folder()
others.shell(('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  .. ' -keyout %s/key -out %s/certificate -days 2 -subj /CN=localhost'):format(folder, folder))
local socket = others.use_luasocket()
local ssl = require 'ssl'
assert(socket._VERSION:find('LuaSocket'))

local slow = 0.1 -- seconds that the slow ends let the others wait

local function context(mode)
  return assert(ssl.newcontext {
    mode = mode,
    protocol = 'any',
    options = 'all',
    verify = mode == 'client' and 'peer' or 'none',
    key = folder .. '/key',
    certificate = folder .. '/certificate',
    cafile = folder .. '/certificate',
  })
end
local for_server, for_client = context 'server', context 'client'

local function serve(plain)
  fiber.sleep(slow)
  local s = assert(ssl.wrap(plain, for_server))
  assert(s:dohandshake())
  for line in function() return s:receive('*l') end do
    fiber.sleep(slow)
    assert(s:send(line:upper() .. '\n'))
  end
  s:close()
end

local server = assert(socket.bind('127.0.0.1', 0))
local _, port = server:getsockname()
local acceptor = fiber.create(function()
  while true do
    local plain = assert(server:accept())
    fiber.create(serve, plain)
  end
end)

local function connect()
  local plain = assert(socket.connect('127.0.0.1', port))
  fiber.sleep(slow)
  local s = assert(ssl.wrap(plain, for_client))
  assert(s:dohandshake())
  return s
end

peer.finally(function()
  acceptor:cancel()
  peer.remove_folder(folder)
end, function()
  others.case('TLS: 8 handshakes at once with a slow server', 2, function()
    peer.all(8, function(i)
      local s = connect()
      assert(s:send('hello ' .. i .. '\n'))
      test.equal(s:receive('*l'), 'HELLO ' .. i)
      s:close()
    end)
  end)

  test.case('TLS: megabytes, several at once', function()
    peer.all(4, function(i)
      local s = connect()
      local text = tostring(i):rep(1000000)
      assert(s:send(text .. '\n'))
      test.ok(s:receive('*l') == text)
      s:close()
    end)
  end)

  -- OpenSSL's error queue belongs to the thread; one fiber's failure must not become another's.
  test.case('TLS: a handshake that fails disturbs no other', function()
    local good = fiber.spawn(function()
      local s = connect()
      for i = 1, 5 do
        assert(s:send('line ' .. i .. '\n'))
        test.equal(s:receive('*l'), 'LINE ' .. i)
      end
      s:close()
    end)
    local listener = assert(socket.bind('127.0.0.1', 0))
    local _, wrong_port = listener:getsockname()
    for _ = 1, 5 do
      local plain = assert(socket.connect('127.0.0.1', wrong_port))
      assert(listener:accept()):send('this is no TLS at all\n')
      local s = assert(ssl.wrap(plain, for_client))
      local ok, problem = s:dohandshake()
      test.ok(not ok)
      test.match(problem, 'wrong version number')
      s:close()
      fiber.sleep(slow)
    end
    assert(good:join(10))
  end)

  test.case('TLS: a timeout of LuaSocket ends a wait', function()
    local s = connect()
    s:settimeout(0.05)
    test.equal({ select(2, test.takes(0.04, 5, s.receive, s, '*l')) }, { 'wantread', '' })
    s:close()
  end)

  test.case('it is poll() that has waited', function() test.ok(coir.hooks().poll.parked > 50) end)
end)
test.finish()
