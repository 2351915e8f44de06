# For Homebrew on Linux. scripts/package/recipes.sh fills in where the archives are and their sums.
class TunneledReverseProxy < Formula
  desc "Makes a TCP server behind NAT reachable through a public server"
  homepage "@URL@"
  version "@VERSION@"
  license "MIT"

  on_linux do
    on_intel do
      url "@URL@/tunneled-reverse-proxy-@VERSION@-linux-x86_64.tar.gz"
      sha256 "@SUM_x86_64@"
    end
    on_arm do
      url "@URL@/tunneled-reverse-proxy-@VERSION@-linux-aarch64.tar.gz"
      sha256 "@SUM_aarch64@"
    end
  end

  depends_on :linux

  def install
    bin.install "bin/remote-proxy", "bin/origin-proxy"
    doc.install Dir["docs/*"], "README.md", "CHANGELOG.md", "licenses"
    %w[remote-proxy origin-proxy].each do |program|
      man1.install "share/man/man1/#{program}.1.gz"
      bash_completion.install "share/bash-completion/completions/#{program}"
      zsh_completion.install "share/zsh/vendor-completions/_#{program}"
      fish_completion.install "share/fish/vendor_completions.d/#{program}.fish"
    end
  end

  service do
    run [opt_bin/"origin-proxy", "--config", etc/"origin-proxy/origin-proxy.toml"]
    keep_alive true
  end

  test do
    secret = shell_output("#{bin}/remote-proxy gen-secret")
    (testpath/"secret").write secret
    chmod 0600, testpath/"secret"
    assert_equal "ok\n", shell_output("#{bin}/remote-proxy check --control-addr :9001 --outside-addr :9000 " \
                                      "--secret-file #{testpath}/secret")
    assert_match version.to_s, shell_output("#{bin}/origin-proxy version")
  end
end
