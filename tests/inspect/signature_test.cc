// Signed appliances, as openssl(1) signs them: what fits, and what does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/containers/ovf_texts.h"
#include "tests/inspect/inspections.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

using inspect::Depth;
using inspect::Verdict;

constexpr const char* kElliptic = "openssl ecparam -name prime256v1 -genkey -noout";
constexpr const char* kRsa = "openssl genrsa 2048";

// box.ova of a disk, with box.mf and a box.cert.
class Signed {
 public:
  // `digest`: openssl's word.
  Signed(const std::string& key, const std::string& digest) {
    Run("head -c 100000 /dev/urandom > disk && printf %s '" +
        OneDiskOvf("disk", "100352", "", "http://en.wikipedia.org/wiki/Byte") + "' > box.ovf");
    Run("for f in box.ovf disk; do echo \"SHA256($f)= $(sha256sum $f | cut -c1-64)\"; done > box.mf");
    Run(key + " > key.pem && openssl req -x509 -new -key key.pem -subj '/O=Some & Sons/CN=box' -days 2 > x509.pem");
    Sign("box.mf", digest);
  }

  void Run(const std::string& words) const {
    CommandOptions options;
    options.folder = dir_.path().string();
    MustRun({"sh", "-c", words}, options);
  }
  void Sign(const std::string& file, const std::string& digest) const {
    Run("(printf '%s(box.mf)= ' $(echo " + digest + " | tr a-z A-Z) && openssl dgst -" + digest + " -sign key.pem " +
        file + " | od -An -v -tx1 | tr -d ' \\n' && echo && cat x509.pem) > box.cert");
  }
  inspect::Report Judge(Depth depth = Depth::kFull) const {
    Run("tar -cf box.ova box.ovf box.mf box.cert disk");
    inspect::Options options;
    options.policy.expected_container = "ova";
    return InspectBytes(FileBytes(dir_.File("box.ova")), options, depth);
  }
  std::string Info() const { return MustRun({Tool(), "info", dir_.File("box.ova")}); }
  std::string Content(const std::string& file) const { return MustRun({"cat", dir_.File(file)}); }

 private:
  TempDir dir_;
};

class Signature : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Signature, OfOpensslFits) {
  const Signed box(GetParam().first, GetParam().second);
  const inspect::Report report = box.Judge();
  EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
  ASSERT_EQ(report.findings.size(), 1U) << Text(report);
  EXPECT_EQ(report.findings[0].code, "ovf.signed");
  EXPECT_EQ(report.findings[0].severity, Severity::kInfo);
  EXPECT_EQ(report.findings[0].value, "/O=Some & Sons/CN=box");
  const std::string info = box.Info();
  EXPECT_THAT(info, testing::HasSubstr("manifest's signature: intact"));
  // The fingerprint, as openssl tells it.
  box.Run("openssl x509 -in x509.pem -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f > fingerprint");
  EXPECT_THAT(info, testing::HasSubstr("fingerprint: " + box.Content("fingerprint")));
  const inspect::Report streaming = box.Judge(Depth::kStreaming);
  EXPECT_EQ(streaming.verdict, Verdict::kAccepted);
  EXPECT_NE(FindCode(streaming, "ovf.signature_unchecked"), nullptr) << Text(streaming);
}

INSTANTIATE_TEST_SUITE_P(Keys, Signature,
                         testing::Values(std::pair{kRsa, "sha1"}, std::pair{kRsa, "sha256"},
                                         std::pair{kElliptic, "sha512"}));

struct Spoilt {
  std::string name;
  std::string words;  // what is done to a signed appliance
  std::string code;
};
void PrintTo(const Spoilt& spoilt, std::ostream* out) { *out << spoilt.name; }

const std::vector<Spoilt> kSpoilt = {
    {"OtherManifest", "echo >> box.mf", "ovf.signature"},
    {"OtherDigit", "sed -i '1s/.$/$(sed -n 1p box.cert | tail -c 2 | tr 0-9a-f 1-9a-f0)/' box.cert", "ovf.signature"},
    {"OtherKey",
     "openssl ecparam -name prime256v1 -genkey -noout > other.pem && openssl req -x509 -new -key other.pem -subj /CN=a "
     "> x509.pem && (sed -n 1p box.cert && cat x509.pem) > cert && mv cert box.cert",
     "ovf.signature"},
    {"OtherDigest", "sed -i '1s/^SHA256/SHA512/' box.cert", "ovf.signature"},
    {"UnknownDigest", "sed -i '1s/^SHA256/MD5/' box.cert", "ovf.signature"},
    {"EmptySignature", "sed -i '1s/= .*/= /' box.cert", "ovf.signature"},
    {"OddSignature", "sed -i '1s/.$//' box.cert", "ovf.signature"},
    {"NoHexadecimal", "sed -i '1s/..$/zz/' box.cert", "ovf.signature"},
    {"Empty", ": > box.cert", "ovf.signature"},
    {"NoCertificate", "sed -i '2,$d' box.cert", "ovf.certificate"},
    {"CutCertificate", "head -n 4 box.cert > cert && mv cert box.cert", "ovf.certificate"},
    {"NoBase64", "sed -i '3s/./!/' box.cert", "ovf.certificate"},
    {"NoX509",
     "(sed -n 1p box.cert; echo -----BEGIN CERTIFICATE-----; echo aGVsbG8=; echo -----END CERTIFICATE-----) "
     "> cert && mv cert box.cert",
     "ovf.certificate"},
    {"MoreBehindIt",
     "(sed -n 1,2p box.cert; (openssl x509 -in x509.pem -outform DER; echo more) | base64; echo "
     "-----END CERTIFICATE-----) > cert && mv cert box.cert",
     "ovf.certificate"},
    {"KeyThatDoesNotSign",
     "openssl genpkey -algorithm x25519 > other.pem && openssl pkey -in other.pem -pubout > public.pem && openssl req "
     "-new -key key.pem -subj /CN=a > request.pem && openssl x509 -req -in request.pem -signkey key.pem -force_pubkey "
     "public.pem > x509.pem 2> /dev/null && (sed -n 1p box.cert && cat x509.pem) > cert && mv cert box.cert",
     "ovf.certificate"},
};

class SpoiltSignature : public testing::TestWithParam<Spoilt> {};

TEST_P(SpoiltSignature, IsNamedAndRefused) {
  const Signed box(kElliptic, "sha256");
  box.Run(GetParam().words);
  const inspect::Report report = box.Judge();
  EXPECT_EQ(report.verdict, Verdict::kRefused) << Text(report);
  EXPECT_NE(FindCode(report, GetParam().code), nullptr) << Text(report);
  EXPECT_EQ(FindCode(report, "ovf.signed"), nullptr);
  EXPECT_THAT(box.Info(), testing::HasSubstr("manifest's signature: does not fit"));
}

INSTANTIATE_TEST_SUITE_P(Certificates, SpoiltSignature, testing::ValuesIn(kSpoilt),
                         [](const auto& row) { return row.param.name; });

// What is signed is the manifest: a file that is another than it says is found all the same.
TEST(Signature, CoversTheFilesThroughTheManifest) {
  const Signed box(kElliptic, "sha256");
  box.Run("echo >> disk");
  const inspect::Report report = box.Judge();
  EXPECT_EQ(report.verdict, Verdict::kRefused);
  EXPECT_NE(FindCode(report, "ovf.digest"), nullptr) << Text(report);
  EXPECT_NE(FindCode(report, "ovf.signed"), nullptr) << Text(report);
}

}  // namespace
}  // namespace platter::test
