-- luasocket_http_test.lua: LuaSocket's own socket.http on coir's sockets, against nginx.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local peer = require 'peer'
local test = require 'test'

peer.need('nginx')
local found, http = pcall(require, 'socket.http')
if not found then
  test.case('socket.http is installed', function() error(http, 0) end)
  test.finish()
end
local ltn12 = require 'ltn12'
local fiber = require 'fiber'

local folder, port = peer.folder(), peer.free_port()
local large = ('0123456789abcdef'):rep(1 << 16)

local function put(name, text)
  local file <close> = assert(io.open(folder .. '/' .. name, 'wb'))
  assert(file:write(text))
end

for i = 1, 10 do put(i .. '.txt', ('page %d\n'):format(i):rep(i * 100)) end
put('large.txt', large)
put('nginx.conf', ([[
  daemon off;
  master_process off;
  pid FOLDER/pid;
  error_log FOLDER/error.log;
  events { worker_connections 512; }
  http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    server {
      listen 127.0.0.1:PORT;
      root FOLDER;
      dav_methods PUT;
      client_max_body_size 10m;
      location /moved { return 302 /1.txt; }
      location /slow { limit_rate 200k; alias FOLDER/; }
      location /agent { return 200 $http_user_agent; }
    }
  }
]]):gsub('FOLDER', folder):gsub('PORT', tostring(port)))

local server = peer.start(('nginx -e %s/error.log -p %s -c %s/nginx.conf'):format(folder, folder,
  folder),
  folder .. '/log')

local function url(path) return ('http://127.0.0.1:%d%s'):format(port, path) end

test.case('nginx starts, and socket.http fetches a page', function()
  peer.await(port)
  local body, status, headers, line = http.request(url '/1.txt')
  test.equal({ body, status, headers['content-length'], line },
    { ('page 1\n'):rep(100), 200, '700', 'HTTP/1.1 200 OK' })
end)

test.case('what runs is coir\'s socket, not the C library of LuaSocket', function()
  local maps <close> = io.open('/proc/self/maps')
  if not maps then return test.skip('the libraries of the process', 'not Linux') end
  test.equal(maps:read('a'):match('%S*socket[^/\n]*%.so%S*'), nil)
end)

test.case('1,000 requests in 100 fibers', function()
  peer.all(100, function(i)
    for round = 1, 10 do
      local page = (i + round) % 10 + 1
      local body, status = http.request(url(('/%d.txt'):format(page)))
      test.equal({ status, body }, { 200, ('page %d\n'):format(page):rep(page * 100) })
    end
  end)
end)

test.case('1 MiB through a sink, in 20 fibers', function()
  peer.all(20, function()
    local parts = {}
    local ok, status = http.request { url = url '/large.txt', sink = ltn12.sink.table(parts) }
    test.equal({ ok, status }, { 1, 200 })
    test.ok(table.concat(parts) == large)
  end)
end)

test.case('others go on while a slow page comes', function()
  local slow = fiber.spawn(function() return (select(2, http.request(url '/slow/large.txt'))) end)
  local ticks = 0
  while slow:status() ~= 'dead' and ticks < 20 do
    fiber.sleep(0.001)
    ticks = ticks + 1
  end
  test.equal(ticks, 20)
  test.equal({ slow:join() }, { true, 200 })
end)

test.case('a redirection is followed, and can be left alone', function()
  test.equal({ (http.request(url '/moved')) }, { ('page 1\n'):rep(100) })
  test.equal({ select(2, http.request { url = url '/moved', redirect = false }) == 302 }, { true })
end)

test.case('a missing page', function()
  test.equal((select(2, http.request(url '/missing'))), 404)
end)

test.case('a page that is put there can be fetched', function()
  local ok, status = http.request {
    url = url '/put.txt', method = 'PUT', source = ltn12.source.string(large),
    headers = { ['content-length'] = #large },
  }
  test.equal({ ok, status }, { 1, 201 })
  test.ok(http.request(url '/put.txt') == large)
end)

test.case('headers arrive', function()
  http.USERAGENT = 'coir'
  test.equal((http.request(url '/agent')), 'coir')
end)

test.case('a server that is not there', function()
  test.equal({ http.request(('http://127.0.0.1:%d/'):format(peer.free_port())) },
    { nil, 'connection refused' })
end)

test.case('a server that says nothing ends in a timeout', function()
  local listener, silent = peer.listener()
  http.TIMEOUT = 0.02
  test.equal({ http.request(('http://127.0.0.1:%d/'):format(silent)) }, { nil, 'timeout' })
  http.TIMEOUT = 60
  listener:close()
end)

test.case('a fiber that is cancelled in a request raises through protect', function()
  local listener, silent = peer.listener()
  local asking = fiber.spawn(http.request, ('http://127.0.0.1:%d/'):format(silent))
  local s = listener:accept(10)
  asking:cancel()
  local ok, problem = asking:join(10)
  test.equal({ ok, fiber.is_cancelled(problem) }, { false, true })
  s:close()
  listener:close()
end)

server:stop()
peer.remove_folder(folder)
test.finish()
