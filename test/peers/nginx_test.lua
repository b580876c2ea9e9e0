-- nginx_test.lua: an HTTP client written with coir against a real nginx.
local here = arg[0]:match('^.*/') or './'
package.path = ('%s?.lua;%s../lua/?.lua;%s'):format(here, here, package.path)
local test = require 'test'
local peer = require 'peer'

local configuration = [[
daemon off;
master_process off;
pid %s/pid;
error_log %s/error;
events { worker_connections 400; }
http {
  access_log off;
  client_body_temp_path %s/body;
  proxy_temp_path %s/proxy;
  fastcgi_temp_path %s/fastcgi;
  uwsgi_temp_path %s/uwsgi;
  scgi_temp_path %s/scgi;
  keepalive_requests 100000;
  server {
    listen 127.0.0.1:%d;
    root %s;
    location /ssi/ { ssi on; ssi_types *; }
    location /away { return 302 /hello.txt; }
  }
}
]]

local function write_file(path, text)
  local file <close> = assert(io.open(path, 'w'))
  file:write(text)
end

local large = {}
for i = 1, 100000 do large[i] = ('line %06d of a large file, with some more text\n'):format(i) end
large = table.concat(large)

local function start()
  peer.need('nginx', 'nginx')
  local port, folder = peer.free_port(), peer.new_folder()
  local folders = {}
  for i = 1, 7 do folders[i] = folder end
  local words = table.pack(table.unpack(folders))
  words[8], words[9] = port, folder
  write_file(folder .. '/nginx.conf', configuration:format(table.unpack(words, 1, 9)))
  write_file(folder .. '/hello.txt', 'hello, world\n')
  write_file(folder .. '/empty.txt', '')
  write_file(folder .. '/large.txt', large)
  os.execute('mkdir ' .. folder .. '/ssi')
  write_file(folder .. '/ssi/page.txt', '<!--# set var="x" value="chunked" --><!--# echo var="x" -->' .. large)
  local server = peer.start(('nginx -p %s -c %s/nginx.conf -e %s/error'):format(folder, folder, folder), port)
  return server, function()
    server:stop()
    os.execute('rm -r ' .. folder)
  end
end

-- -- The client ---------------------------------------------------------------------------------------

local function read_head(s)
  local head = s:read({ delimiter = { '\r\n\r\n', '\n\n' } }, 10)
  local status = tonumber(head:match('^HTTP/1%.%d (%d+)'))
  local fields = {}
  for name, value in head:gmatch('\n([%w-]+): *([^\r\n]*)') do fields[name:lower()] = value end
  return status, fields
end

local function read_chunked(s)
  local parts = {}
  while true do
    local size = tonumber(s:read('\r\n'):match('^%x+'), 16)
    local part = s:read(size + 2)
    if size == 0 then return table.concat(parts) end
    parts[#parts + 1] = part:sub(1, -3)
  end
end

--- Sends a request over a connection and reads the answer: status, body, header fields.
local function request(s, path, method, more)
  s:writev(method or 'GET', ' ', path, ' HTTP/1.1\r\nHost: localhost\r\n', more or '', '\r\n')
  local status, fields = read_head(s)
  if method == 'HEAD' then return status, '', fields end
  if fields['transfer-encoding'] == 'chunked' then return status, read_chunked(s), fields end
  return status, s:read(tonumber(fields['content-length'])), fields
end

local function cases(server)
  local function connect() return assert(peer.connect(server.port)) end

  test.case('a page of HTTP/1.0, to the end of the stream', function()
    local s <close> = connect()
    s:write('GET /hello.txt HTTP/1.0\r\n\r\n')
    test.match(s:read(), '^HTTP/1%.1 200 OK\r\n.*\r\n\r\nhello, world\n$')
  end)

  test.case('several requests over one connection', function()
    local s <close> = connect()
    for _ = 1, 20 do
      test.equal({ (request(s, '/hello.txt')), (select(2, request(s, '/hello.txt'))) }, { 200, 'hello, world\n' })
      test.equal((select(2, request(s, '/empty.txt'))), '')
      test.equal((request(s, '/missing')), 404)
      test.equal({ request(s, '/away') }, { 302, (select(2, request(s, '/away'))), select(3, request(s, '/away')) })
    end
  end)

  test.case('a file of five megabytes, whole and in chunks', function()
    local s <close> = connect()
    test.ok(select(2, request(s, '/large.txt')) == large)
    local status, body, fields = request(s, '/ssi/page.txt')
    test.equal({ status, fields['transfer-encoding'] }, { 200, 'chunked' })
    test.ok(body == 'chunked' .. large)
  end)

  test.case('HEAD has no body, and a range only a part', function()
    local s <close> = connect()
    local status, body, fields = request(s, '/large.txt', 'HEAD')
    test.equal({ status, body, fields['content-length'] }, { 200, '', tostring(#large) })
    status, body = request(s, '/hello.txt', 'GET', 'Range: bytes=7-11\r\n')
    test.equal({ status, body }, { 206, 'world' })
  end)

  test.case('the lines of a page one by one', function()
    local s <close> = connect()
    s:write('GET /large.txt HTTP/1.0\r\n\r\n')
    read_head(s)
    local count = 0
    for line in s:lines() do
      count = count + 1
      if line ~= ('line %06d of a large file, with some more text'):format(count) then error(line) end
    end
    test.equal(count, 100000)
  end)

  test.case('a hundred requests in one write', function()
    local s <close> = connect()
    s:write(('GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n'):rep(100))
    for _ = 1, 100 do
      local status, fields = read_head(s)
      test.equal({ status, s:read(tonumber(fields['content-length'])) }, { 200, 'hello, world\n' })
    end
  end)

  test.case('a hundred fibers with twenty requests each', function()
    peer.in_fibers(100, function()
      local s <close> = connect()
      for _ = 1, 20 do
        local status, body = request(s, '/hello.txt')
        test.equal({ status, body }, { 200, 'hello, world\n' })
      end
    end)
  end)

  test.case('ten fibers with a large file each', function()
    peer.in_fibers(10, function()
      local s <close> = connect()
      test.ok(select(2, request(s, '/large.txt')) == large)
    end)
  end)

  test.case('what is no request is answered with 400, and the connection ends', function()
    local s <close> = connect()
    s:write('nonsense\r\n\r\n')
    test.match(s:read(nil, 10), '400 Bad Request')
  end)
end

peer.with_server(start, cases)
test.finish()
