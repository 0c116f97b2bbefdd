.PHONY: demo test test-full bench bundle format lint setup clean

demo:  ## sets up, builds and classifies a picture
	@Scripts/demo.sh

test:  ## sets up, checks format and warnings, runs every test
	@Scripts/test.sh

test-full:  ## what takes longer: thread sanitizer, fuzzing, comparison with ONNX Runtime
	@Scripts/test-full.sh

bench:  ## measures Apus beside ONNX Runtime, OpenVINO and MNN (BENCH_FLAGS are passed on)
	@Scripts/bench.sh $(BENCH_FLAGS)

bundle:  ## makes dist/apus-<os>-<arch>.tar.xz, which needs no Swift where it runs
	@Scripts/bundle.sh

setup:
	@Scripts/setup.sh

format:
	@Scripts/format.sh

lint:
	@Scripts/format.sh --lint

clean:
	rm -rf .build .build-* .cache dist
