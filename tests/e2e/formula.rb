# Does with a Homebrew formula what brew does with it, as far as ours needs that: installs it out of its archive, and runs
# its test.
# usage: ruby formula.rb FORMULA ARCHIVE FOLDER      where all goes
require "fileutils"
require "pathname"

class Pathname
  def install(*sources)
    mkpath
    sources.flatten.each { |source| FileUtils.cp_r(source, self) }
  end

  def write(text)
    File.write(to_s, text)
  end
end

class Formula
  include FileUtils

  PREFIX = Pathname.new(ARGV[2])
  FACTS = {}

  class << self
    attr_reader :tests, :services

    %i[desc homepage version license url sha256 depends_on].each do |name|
      define_method(name) { |value = nil| value.nil? ? FACTS[name] : FACTS[name] = value }
    end

    def on_linux = yield
    def on_macos = nil
    def on_intel = RUBY_PLATFORM.include?("x86_64") ? yield : nil
    def on_arm = RUBY_PLATFORM.include?("aarch64") ? yield : nil
    def service(&block) = @services = block
    def test(&block) = @tests = block
  end

  def version = FACTS[:version]
  def bin = PREFIX/"bin"
  def opt_bin = bin
  def etc = PREFIX/"etc"
  def doc = PREFIX/"share/doc"
  def man1 = PREFIX/"share/man/man1"
  def bash_completion = PREFIX/"etc/bash_completion.d"
  def zsh_completion = PREFIX/"share/zsh/site-functions"
  def fish_completion = PREFIX/"share/fish/vendor_completions.d"
  def testpath = (PREFIX/"test").tap(&:mkpath)
  def run(command) = puts("service #{command.join(" ")}")
  def keep_alive(_) = nil

  def shell_output(command)
    output = `#{command}`
    raise "#{command} ended with #{$?.exitstatus}" unless $?.success?

    output
  end

  def assert_equal(wanted, found)
    raise "#{found.inspect} instead of #{wanted.inspect}" unless wanted == found
  end

  def assert_match(wanted, found)
    raise "#{found.inspect} has no #{wanted.inspect}" unless found.include?(wanted)
  end
end

load ARGV[0]
formula = TunneledReverseProxy.new
raise "another archive" unless Formula::FACTS[:url] == "file://#{ARGV[1]}"
raise "another sum" unless Formula::FACTS[:sha256] == `sha256sum #{ARGV[1]}`.split.first

unpacked = Formula::PREFIX/"unpacked"
unpacked.mkpath
system("tar", "-xzf", ARGV[1], "-C", unpacked.to_s, "--strip-components=1", exception: true)
Dir.chdir(unpacked) { formula.install }
formula.instance_eval(&TunneledReverseProxy.services)
formula.instance_eval(&TunneledReverseProxy.tests)
